"""Write RESULTS.md, and that of each recipe and of the benchmarks, from a tree's kept searches (egs2/*/asr1/results)
and measurements (benchmarks/results).

For each backbone: dense model, extreme and best ticket, controls, and several methods side by side with a picture
beside their results; noise, transfer, cost, files and speed; and each claim of the paper as confirmed, not confirmed or
not tested, by stated rules. Nothing in it is typed.
"""

import argparse
import sys
from pathlib import Path

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--root", default=".", metavar="DIR", help="the tree with egs2/, conf/ and benchmarks/")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is out of date")


def run(args: argparse.Namespace) -> None:
    """Write the pages, or compare them."""
    from audio_lottery.fileio import read_text, write_text
    from audio_lottery.report.evidence import collect
    from audio_lottery.report.evidence_methods import pictures
    from audio_lottery.report.evidence_page import pages

    root = Path(args.root)
    for path, draw in pictures(collect(root)).items():
        if not args.check:
            draw(path)
            print(path)
        elif not path.exists():
            raise LotteryError(f"{path}: no such picture: run audio-lottery results")
    for path, made in pages(root).items():
        if not args.check:
            write_text(path, made)
            print(path)
        elif not path.exists() or read_text(path) != made:
            raise LotteryError(f"{path}: not what the ledgers say now: run audio-lottery results")


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
