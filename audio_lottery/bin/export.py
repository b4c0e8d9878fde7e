"""Export a round of a search: ticket files with fp32, fp16 and int8 values, and ONNX where it is installed.

Each file is read back and compared with the model; sizes and errors are printed and written to
EXP/export/round_NN/export.json.
"""

import argparse
import importlib.util
import shutil
import sys
from pathlib import Path

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("exp", metavar="EXP", type=Path, help="folder of the search")
    add_round(parser)
    parser.add_argument("--onnx", type=cli.str2bool, default=None, help="write ONNX too [where it is installed]")
    cli.add_json(parser)


def add_round(parser: argparse.ArgumentParser) -> None:
    """Arguments that choose a round."""
    parser.add_argument("--round", default="extreme", help="extreme, best, or the number of a round")
    parser.add_argument("--dev", default="dev", help="the set on which tickets are chosen")
    parser.add_argument("--inference_tag", help="which inference; the only one scored by default")


def run(args: argparse.Namespace) -> None:
    """Write the files and print them."""
    from audio_lottery.export import shipping

    number = shipping.choose_round(args.exp, args.round, args.dev, args.inference_tag)
    out = args.exp / "export" / f"round_{number:02d}"
    made = shipping.write_tickets(args.exp, number, out)
    installed = all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime", "onnxscript"))
    if args.onnx or (args.onnx is None and installed):
        made = shipping.add_onnx(made, out, lambda folder: _onnx(args.exp / f"round_{number:02d}", folder))
    elif args.onnx is None:
        print("note: no ONNX files: pip install 'audio-lottery[onnx]' for them", file=sys.stderr)
    shipping.record(out, made)
    if args.json:
        cli.print_json(made)
        return
    for one in made:
        print(f"{out / one['file']}: {one['bytes']} bytes, {one['dense_bytes'] / one['bytes']:.1f} times smaller than "
              f"dense, largest error {one['error']:.1e}")


def _onnx(source: Path, folder: Path) -> None:
    from contextlib import redirect_stdout

    from audio_lottery.bin import export_onnx

    if folder.exists():
        shutil.rmtree(folder)
    try:
        with redirect_stdout(sys.stderr):
            export_onnx.run(argparse.Namespace(source=source, folder=folder, model=None, sparse=False))
    except LotteryError as error:
        raise LotteryError(f"{error} (or leave ONNX out: --onnx false)") from None


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
