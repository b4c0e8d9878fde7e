"""Write a round, or a ticket file, as ONNX files that onnxruntime runs.

encoder.onnx takes log-mel features that are not yet normalised and gives the encoder's output and CTC log
probabilities; with an attention decoder there is decoder.onnx, for a transducer prediction.onnx and joint.onnx.
model.json names their inputs and outputs, the tokens and the front end. Each file is run with onnxruntime and compared
with torch before it is kept.
"""

import argparse
import tempfile
from pathlib import Path

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model, and where to."""
    parser.add_argument("source", type=Path, help="a round's folder, or a ticket file")
    parser.add_argument("folder", type=Path, help="folder to write; it must be empty or not exist")
    parser.add_argument("--model", type=Path, help="model file of the round; default: its only averaged one")
    parser.add_argument("--sparse", type=cli.str2bool, default=False, help="store zeros sparsely: smaller files, which "
                        "onnxruntime makes dense while loading")  # fmt: skip


def run(args: argparse.Namespace) -> None:
    """Load as ESPnet does, export, say how large and how near."""
    from audio_lottery.export import onnx_files
    from audio_lottery.fileio import write_json

    onnx_files.require()
    if args.folder.exists() and (not args.folder.is_dir() or any(args.folder.iterdir())):
        raise LotteryError(f"{args.folder}: not an empty folder: give a new name")
    model, config = _load(args.source, args.model)
    size = config.get("input_size") or model.frontend.output_size()
    files = onnx_files.export(model, size, args.folder, args.sparse)
    keys = ("frontend", "frontend_conf", "token_type", "input_size")
    about = {"files": files, "features": size, "tokens": list(model.token_list)}
    write_json(args.folder / "model.json", about | {key: config.get(key) for key in keys})
    for name, file in files.items():
        print(f"{args.folder / name}: {file['bytes']} bytes, difference from torch {file['difference']:.1e}")


def _load(source: Path, model_file: Path | None):
    """The model of a ticket, or of a folder, with its configuration."""
    from audio_lottery.espnet.models import load_state, stock_model
    from audio_lottery.export import folder, ticket_file

    with tempfile.TemporaryDirectory() as work:
        if source.is_file():
            folder.to_folder(ticket_file.read(source), Path(work))
            source, model_file = Path(work), Path(work) / "model.pth"
        model_file = model_file or folder.find_model(source)
        config = folder.read_config(source / "config.yaml")
        model = stock_model(source, "auto")
        try:
            model.load_state_dict(load_state(model_file))
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise LotteryError(f"{model_file}: not a model of its config.yaml ({reason}): give the right one") from None
    if hasattr(model.encoder, "dynamic_chunk_training"):
        model.encoder.dynamic_chunk_training = False  # as ESPnet's own inference does
    return model, config


if __name__ == "__main__":
    import sys

    sys.exit(cli.main(sys.modules[__name__]))
