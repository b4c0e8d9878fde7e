"""Check data folders (tables and audio), sort what is unsorted, print utterances, speakers and hours."""

import argparse
import sys
from pathlib import Path

from audio_lottery.bin import cli


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The folders, and how to print."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="data/train for instance")
    parser.add_argument("--audio", type=cli.str2bool, default=True, help="false: check the tables only")
    parser.add_argument("--allow_pipes", type=cli.str2bool, default=False,
                        help="true: commands in wav.scp are let pass, not run")  # fmt: skip
    cli.add_json(parser)


def run(args: argparse.Namespace) -> None:
    """Check every folder; the first fault ends the command."""
    from audio_lottery.data import validate

    rows = [validate.validate(folder, args.audio, args.allow_pipes) for folder in args.folders]
    if args.json:
        cli.print_json(rows)
        return
    for row in rows:
        hours = "" if row["seconds"] is None else f", {row['seconds'] / 3600:.2f} h ({row['seconds']:.1f} s)"
        print(f"{row['folder']}: {row['utterances']} utterances, {row['speakers']} speakers{hours}")


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
