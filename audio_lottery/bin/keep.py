"""Keep a finished search for RESULTS.md: its ledger, errors by utterance, configurations and picture, without models.

Writes DIR/{rounds.jsonl,errors.jsonl,lottery.yaml,training.yaml,wer.png,commands.txt} and, where there is one,
features.json, source.json (of transferred masks) and export.json. Paths are cut:
those below the recipe's folder become relative to it, of others the last part stays. A search is kept best in
egs2/CORPUS/asr1/results/NAME, where audio-lottery results finds it.
"""

import argparse
import sys
from pathlib import Path

from audio_lottery.bin import cli


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("exp", metavar="EXP", help="folder of the search, scored")
    parser.add_argument("out", metavar="DIR", help="where to keep it, like results/conformer_seed0")
    parser.add_argument("--command", action="append", default=[], metavar="LINE",
                        help="a command that made it; may be given again; else those of EXP/commands.txt")
    cli.add_json(parser)


def run(args: argparse.Namespace) -> None:
    """Keep it and print the files."""
    from audio_lottery.report.keep import keep

    written = [str(path) for path in keep(Path(args.exp), Path(args.out), args.command)]
    if args.json:
        cli.print_json(written)
        return
    print("\n".join(written))


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
