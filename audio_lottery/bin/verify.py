"""Verify a ticket file: every checksum and every tensor; with --model, also against the original model."""

import argparse
from pathlib import Path

from audio_lottery.bin import cli


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which file, and against what."""
    parser.add_argument("ticket", type=Path, help="ticket file")
    parser.add_argument("--model", type=Path, help="ESPnet model file that the ticket was made from")


def run(args: argparse.Namespace) -> None:
    """Read everything; compare with the model within the bounds of each tensor's encoding."""
    from audio_lottery.export import folder, summary, ticket_file

    reader = ticket_file.open_reader(args.ticket)
    ticket = ticket_file.from_reader(reader)
    done = f"{len(reader.sections)} sections and {len(ticket.tensors)} tensors are whole"
    if args.model:
        worst = summary.compare(reader, ticket, folder.load_state(args.model))
        done += (
            ", the model's bit for bit"
            if worst == 0
            else f", the model's within {worst:.2g} of their rows' maxima"
        )
    print(f"{args.ticket}: {done}")


if __name__ == "__main__":
    import sys

    sys.exit(cli.main(sys.modules[__name__]))
