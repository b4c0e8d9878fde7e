"""Write a round as one small ticket file: exact mask, values, configuration, tokens, tokenizer."""

import argparse
from pathlib import Path

from audio_lottery.bin import cli


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to pack, where to, and how exact."""
    parser.add_argument(
        "folder", type=Path, help="ESPnet experiment folder of a round, e.g. exp/asr/round_05"
    )
    parser.add_argument("ticket", type=Path, help="file to write, e.g. model.ticket")
    parser.add_argument("--model", type=Path, help="model file (default: the averaged model in the folder)")
    parser.add_argument("--mask", type=Path, help="mask file (default: ../masks/<folder>.safetensors)")
    parser.add_argument(
        "--values",
        choices=("fp32", "fp16", "int8"),
        default="fp16",
        help="fp32 keeps every bit, fp16 halves it, int8 has one scale a row",
    )
    cli.add_json(parser)


def run(args: argparse.Namespace) -> None:
    """Pack, then say what became of the size."""
    from audio_lottery.export import folder, summary, ticket_file

    ticket_file.write(args.ticket, folder.from_folder(args.folder, args.model, args.mask), args.values)
    report = summary.summarise(ticket_file.open_reader(args.ticket))
    if args.json:
        cli.print_json(report)
    else:
        print(
            f"{args.ticket}: {report['file_bytes']} bytes, {report['times_smaller']:.1f}x smaller than "
            f"{report['dense_bytes']} bytes of dense weights"
        )


if __name__ == "__main__":
    import sys

    sys.exit(cli.main(sys.modules[__name__]))
