"""Print the table of a search: per round what remains, what it costs, its WER, and whether it matches.

Below the table stand the extreme ticket (the sparsest that matches the dense model on the dev set) and the
best one (lowest dev WER), with their test WER. With --report, also writes RESULTS.md and wer.png.

Several EXP, the folds of a cross-validation say, give one table: errors and words are summed over them, interval
and paired test are of all their utterances, densities and MACs are means, and tickets are chosen on the pooled dev.
"""

import argparse
import sys
from pathlib import Path

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("exp", metavar="EXP", nargs="+", help="folder of a search; several are pooled")
    parser.add_argument("--dev", default="dev", help="the set on which tickets are chosen")
    parser.add_argument("--inference_tag", help="which inference; the only one scored by default")
    parser.add_argument("--format", choices=("text", "markdown"), default="text", help="how to print it")
    parser.add_argument("--report", metavar="DIR", help="write RESULTS.md and wer.png to this folder")
    parser.add_argument(
        "--command", action="append", default=[], metavar="LINE",
        help="a command line that RESULTS.md shall show, after those of EXP/commands.txt; may be given again",
    )
    cli.add_json(parser)


def run(args: argparse.Namespace) -> int | None:
    """Print the table; write the report if asked."""
    from audio_lottery import commands
    from audio_lottery.ledger import Ledger
    from audio_lottery.report.pool import pool
    from audio_lottery.report.table import collect, to_markdown, to_text

    if len(args.exp) > 1:
        rows = pool(args.exp, args.inference_tag)
        name = f"{Path(args.exp[0]).name}, pooled over {len(args.exp)} searches"
    else:
        ledger = Path(args.exp[0]) / "rounds.jsonl"
        rows, name = Ledger(ledger).rows, Path(args.exp[0]).name
        if not rows:
            raise LotteryError(f"{ledger}: no round recorded: run the search first")
    results = collect(rows, args.dev, args.inference_tag)
    written = []
    if args.report:
        from audio_lottery.report.summary import write_report

        lines = args.command if len(args.exp) > 1 else commands.remember(args.exp[0], args.command)
        written = write_report(results, args.report, name, lines)
    if args.json:
        cli.print_json({**results.to_json(), "report": [str(path) for path in written]})
        return 0
    print(to_markdown(results) if args.format == "markdown" else to_text(results))
    for path in written:
        print(f"report: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
