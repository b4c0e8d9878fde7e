"""Unpack a ticket file into a folder that ESPnet loads: config.yaml, model.pth, tokens.txt, mask."""

import argparse
from pathlib import Path

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which file, and into which folder."""
    parser.add_argument("ticket", type=Path, help="ticket file")
    parser.add_argument("folder", type=Path, help="folder to write; it must be empty or not exist")


def run(args: argparse.Namespace) -> None:
    """Unpack; refuse to mix with what is in the folder already."""
    from audio_lottery.export import folder, ticket_file

    if args.folder.exists() and (not args.folder.is_dir() or any(args.folder.iterdir())):
        raise LotteryError(f"{args.folder}: not an empty folder: give a new name")
    folder.to_folder(ticket_file.read(args.ticket), args.folder)
    print(f"{args.folder}: config.yaml and model.pth, ready for espnet2.bin.asr_inference")


if __name__ == "__main__":
    import sys

    sys.exit(cli.main(sys.modules[__name__]))
