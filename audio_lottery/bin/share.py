"""Make a folder that is ready for a model hub from a round: ESPnet model, ticket file, model card.

DIR/asr and DIR/NAME.zip are an ESPnet model, packed by espnet2.bin.pack; DIR/ticket/model.ticket is for audio-lottery
transcribe; DIR/source trains the ticket again elsewhere (--source_ticket); DIR/README.md is the card, its numbers from
the ledger. Nothing is uploaded.
"""

import argparse
import sys
from pathlib import Path

from audio_lottery.bin import cli
from audio_lottery.bin.export import add_round


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("exp", metavar="EXP", type=Path, help="folder of the search")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder to write; empty or not there")
    add_round(parser)
    parser.add_argument("--name", help="of the model [the search's folder's and the round's]")
    parser.add_argument("--license", help="of the weights, as model hubs write it: apache-2.0, cc-by-4.0 [not stated]")
    parser.add_argument("--language", help="as en, de [not stated]")
    parser.add_argument("--datasets", nargs="+", default=[], metavar="NAME", help="what it was trained on")
    cli.add_json(parser)


def run(args: argparse.Namespace) -> None:
    """Write the folder and print its files."""
    from audio_lottery.errors import LotteryError
    from audio_lottery.espnet.share import share
    from audio_lottery.export.card import About
    from audio_lottery.export.shipping import choose_round

    number = choose_round(args.exp, args.round, args.dev, args.inference_tag)
    name = args.name or f"{args.exp.resolve().name}_round_{number:02d}"
    if Path(name).name != name or name.startswith((".", "-")):
        raise LotteryError(f"--name {name}: not the name of a file: give one without / and leading dots")
    about = About(name, args.license, args.language, args.datasets)
    written = [str(path) for path in share(args.exp, number, args.out, about, args.dev, args.inference_tag)]
    if args.json:
        cli.print_json(written)
        return
    print("\n".join(written))
    if not args.license:
        print("note: the card states no licence (--license)", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
