"""Show what a ticket file holds: densities, sizes of its sections, tokens, where it came from."""

import argparse
from pathlib import Path

from audio_lottery.bin import cli


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which file."""
    parser.add_argument("ticket", type=Path, help="ticket file")
    cli.add_json(parser)


def run(args: argparse.Namespace) -> None:
    """Print the summary."""
    from audio_lottery.export import summary, ticket_file

    report = summary.summarise(ticket_file.open_reader(args.ticket))
    if args.json:
        cli.print_json(report)
    else:
        print(summary.text(report))


if __name__ == "__main__":
    import sys

    sys.exit(cli.main(sys.modules[__name__]))
