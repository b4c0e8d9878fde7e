"""Write RESULTS.md from the kept searches (egs2/*/asr1/results) and measurements (benchmarks/results) of a tree.

For each backbone: dense model, extreme and best ticket, controls; noise, transfer, cost, files and speed; and each
claim of the paper as confirmed, not confirmed or not tested, by stated rules. Nothing in it is typed.
"""

import argparse
import sys
from pathlib import Path

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--root", default=".", metavar="DIR", help="the tree with egs2/, conf/ and benchmarks/")
    parser.add_argument("--out", metavar="FILE", help="where to write it [DIR/RESULTS.md]")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when FILE is out of date")


def run(args: argparse.Namespace) -> None:
    """Write the page, or compare it."""
    from audio_lottery.fileio import read_text, write_text
    from audio_lottery.report.evidence_page import page

    root = Path(args.root)
    out = Path(args.out) if args.out else root / "RESULTS.md"
    made = page(root)
    if not args.check:
        write_text(out, made)
        print(out)
    elif read_text(out) != made:
        raise LotteryError(f"{out}: not what the ledgers say now: run audio-lottery results")


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
