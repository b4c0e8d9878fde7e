"""Print the table of a noise experiment: WER by training condition, density and SNR, one table for each test set.

Reads the scores in the ledgers of searches that were decoded on noisy copies of a test set (test_snr10, ...). With
--report, also writes noise.md, noise.csv and a picture for each test set.
"""

import argparse
import sys
from pathlib import Path

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("exp", metavar="[NAME=]EXP", nargs="+",
                        help="folder of a search, and what its training is called")
    parser.add_argument("--inference_tag", help="which inference; the only one scored by default")
    parser.add_argument("--report", metavar="DIR", help="write noise.md, noise.csv and pictures to this folder")
    parser.add_argument("--command", action="append", default=[], metavar="LINE",
                        help="a command line that noise.md shall show; may be given again")
    cli.add_json(parser)


def run(args: argparse.Namespace) -> None:
    """Print the table; write the report if asked."""
    from audio_lottery.ledger import Ledger
    from audio_lottery.report.noise import collect, to_markdown, write_report

    searches = {}
    for word in args.exp:
        name, _, folder = word.rpartition("=")
        ledger = Path(folder) / "rounds.jsonl"
        rows = Ledger(ledger).rows
        if not rows:
            raise LotteryError(f"{ledger}: no round recorded: run the search first")
        name = name or Path(folder).name
        if name in searches:
            raise LotteryError(f"{word}: {name} is named twice: write NAME=EXP with different names")
        searches[name] = rows
    tables = collect(searches, args.inference_tag)
    written = write_report(tables, args.report, args.command) if args.report else []
    if args.json:
        sets = {name: [line.to_json() for line in lines] for name, lines in tables.items()}
        cli.print_json({"sets": sets, "report": [str(path) for path in written]})
        return
    print(to_markdown(tables))
    for path in written:
        print(f"report: {path}")


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
