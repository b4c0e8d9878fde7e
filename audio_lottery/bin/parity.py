"""Compare the engine with ESPnet on the same model and set.

Packs each round with fp32, fp16 and 8-bit values (the latter computed with 8 bits, too), recognises the sets by
ESPnet's own modules and by the engine, greedily, and shows every utterance whose text differs, how far encoder outputs
are apart, and WER and file size of each. What ESPnet's inference command, whose search may be another, made of the sets
before (stage 6) is shown beside them. Start it in the recipe's folder.
"""

import argparse
import sys
from pathlib import Path

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError

OTHER_SEARCH = (
    "the command searches CTC token by token, with the attention decoder where the model has one; ESPnet's networks, "
    "searched as the engine searches, say what the engine says"
)
SHOWN = 10  # differing utterances of rounded values; those of fp32 are all shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to compare, on what."""
    parser.add_argument("exp", metavar="EXP", type=Path, help="folder of the search")
    parser.add_argument("--rounds", nargs="+", default=["all"], help="finished rounds: all, or numbers")
    parser.add_argument("--sets", nargs="+", required=True, metavar="SET", help="sets to recognise")
    parser.add_argument("--data", type=Path, default=Path("dump/raw"), help="folder of the formatted sets")
    parser.add_argument("--values", nargs="+", choices=("fp32", "fp16", "int8"), default=["fp32", "fp16", "int8"],
                        help="how the tickets keep values")  # fmt: skip
    parser.add_argument("--task", default="auto", help="ESPnet task; auto: read off the training configuration")
    parser.add_argument("--beam_size", type=int, default=1, help="1 is greedy; of transducers more is ESPnet's tsd")
    cli.add_json(parser)


def run(args: argparse.Namespace) -> None:
    """Compare and print. A model that the engine cannot run is named, with what it lacks."""
    from audio_lottery.engine.config import UnsupportedError
    from audio_lottery.espnet.parity import parity
    from audio_lottery.espnet.versions import require
    from audio_lottery.layout import Layout

    require()
    if args.beam_size < 1:
        raise LotteryError(f"--beam_size {args.beam_size}: give 1 or more")
    layout, rows = Layout(args.exp), []
    for number in layout.chosen(args.rounds):
        for name in args.sets:
            row = {"round": number, "set": name}
            try:
                row |= parity(layout.round(number), args.data / name, args.values, args.task, args.beam_size)
            except UnsupportedError as error:
                row["refused"] = str(error)
            rows.append(row)
            if not args.json:
                print(text(row), flush=True)
    if args.json:
        cli.print_json(rows)


def text(row: dict) -> str:
    """A round's table for people, then the texts that differ."""
    where = f"round {row['round']}, {row['set']}"
    if "refused" in row:
        return f"{where}: {row['refused']}"
    espnet = row["espnet"]
    lines = [
        f"{where}: {row['utterances']} utterances, {row['words']} words, {row['search']}: ESPnet's WER "
        f"{espnet['wer']:.2f}% ({espnet['errors']} errors)",
        "values      bytes  smaller   WER %  errors  other texts  features  encoder",
    ]
    for name, one in row["values"].items():
        lines.append(
            f"{name:<6}{one['file_bytes']:>11}{one['times_smaller']:>8.1f}x{one['wer']:>8.2f}{one['errors']:>8}"
            f"{len(one['different']):>13}{one['features']:>10.1e}{one['encoder']:>9.1e}"
        )
    for name, one in row["values"].items():
        lines += _others(name, one["different"], None if name == "fp32" else SHOWN)
    for tag, one in row["inference"].items():
        lines.append(f"decode_{tag}, by ESPnet's inference command: WER {one['wer']:.2f}% ({one['errors']} errors), "
                     f"{len(one['different'])} texts other than the engine's in fp32")  # fmt: skip
        if one["different"]:
            lines.append(f"{one['of_search']} of these are the search's: {OTHER_SEARCH}")
        lines += _others(f"decode_{tag}", one["different"], SHOWN)
    return "\n".join(lines)


def _others(name: str, different: list[dict], most: int | None) -> list[str]:
    lines = [f"{name} {one['utterance']}: ESPnet {one['espnet']!r}, engine {one['engine']!r}, "
             f"reference {one['reference']!r}" for one in different[:most]]  # fmt: skip
    left = len(different) - len(lines)
    return [*lines, f"{name}: {left} more, see --json"] if left else lines


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
