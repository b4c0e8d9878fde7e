"""Print what is in scope, with shares, and what a mask keeps.

EXP (a search's folder) shows its latest mask; a configuration of ESPnet (config.yaml of a trained
model, or a training configuration with --token_list) shows what would be in scope; a mask file shows
what it keeps.
"""

import sys

from audio_lottery.bin import cli


def add_arguments(parser) -> None:
    """What to show."""
    parser.add_argument("source", help="EXP, an ESPnet configuration (.yaml) or a mask (.safetensors)")
    parser.add_argument("--round", type=int, default=None, help="round of EXP; default: the latest")
    parser.add_argument("--task", default="auto", help="ESPnet task: asr, asr_transducer, st, s2t; auto: read off "
                        "the training configuration")
    parser.add_argument("--token_list", default=None, help="tokens.txt, for a configuration without tokens")
    parser.add_argument("--include", nargs="+", default=[], metavar="REGEX",
                        help="of a configuration: only parameters that match one of these")
    parser.add_argument("--exclude", nargs="+", default=[], metavar="REGEX",
                        help="of a configuration: not the parameters that match one of these")
    parser.add_argument("--output_layer", type=cli.str2bool, default=False,
                        help="of a configuration: put output layers in scope")
    cli.add_json(parser)


def run(args) -> None:
    """Print the tables, or one JSON document."""
    from pathlib import Path

    from audio_lottery import maskfile, shares

    source = Path(args.source)
    about = {"source": args.source}
    if source.is_dir():
        _no_scope_options(args)
        found = _experiment(args, source, about)
    elif source.suffix == ".safetensors":
        _no_scope_options(args)
        mask, about["metadata"] = maskfile.read(source)
        about["digest"] = mask.digest()
        found = shares.of_mask(mask)
    else:
        found = shares.of_model(_configured(args), _scope(args))
    if args.json:
        cli.print_json(about | _plain(found))
    else:
        _print(about, found)


def _no_scope_options(args) -> None:
    from audio_lottery.errors import LotteryError

    if args.include or args.exclude or args.output_layer:
        raise LotteryError(f"{args.source}: has a scope of its own: leave --include, --exclude and "
                           "--output_layer out, or give its round_00/config.yaml")


def _scope(args):
    from audio_lottery.scope import ScopeConfig

    return ScopeConfig(tuple(args.include), tuple(args.exclude), args.output_layer)


def _experiment(args, folder, about):
    """Shares of a search's folder: its model, with the mask of a round."""
    from audio_lottery import config, shares
    from audio_lottery.errors import LotteryError
    from audio_lottery.espnet.models import stock_model
    from audio_lottery.layout import Layout
    from audio_lottery.mask import Mask

    layout = Layout(folder)
    if not (layout.round(0) / "config.yaml").is_file() or not layout.config.is_file():
        raise LotteryError(f"{folder}: not a search's folder (no lottery.yaml or round_00/config.yaml): "
                           "give one made by audio-lottery find")
    number = args.round
    if number is None:
        masks = folder.glob("masks/round_*.safetensors")
        number = max((int(path.stem.removeprefix("round_")) for path in masks), default=0)
    mask = Mask.load(layout.mask(number)) if number else None
    about["round"] = number
    scope = config.load(layout.config).scope
    return shares.of_model(stock_model(layout.round(0), args.task), scope, mask)


def _configured(args):
    """The model of an ESPnet configuration, with fresh weights."""
    from audio_lottery.errors import LotteryError
    from audio_lottery.espnet.command import parse
    from audio_lottery.espnet.logs import quiet
    from audio_lottery.espnet.tasks import get_task, resolve
    from audio_lottery.fileio import read_text, read_yaml

    config = read_yaml(args.source)
    name = resolve(args.task, args.source)
    task = get_task(name)
    try:
        if args.token_list is None and isinstance(config.get("token_list"), list):
            with quiet():
                return task.build_model_from_file(args.source)[0]
        tokens = args.token_list or config.get("token_list")
        if not tokens:
            raise LotteryError(f"{args.source}: names no tokens: give --token_list tokens.txt")
        read_text(tokens)
        command = ["--config", args.source, "--output_dir", "unused", "--token_list", tokens]
        options = parse(name, command)
        with quiet():
            return task.build_model(options)
    except (TypeError, ValueError, AssertionError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise LotteryError(f"{args.source}: ESPnet cannot build this model ({reason}): correct it") from None


def _plain(found) -> dict:
    def plain(row):
        return row and {**row.__dict__, "density": row.density}

    return {
        "scope": plain(found.scope),
        "whole": plain(found.whole),
        "by_kind": [plain(row) for row in found.by_kind],
        "by_module": [plain(row) for row in found.by_module],
        "out_of_scope": [plain(row) for row in found.outside],
        "unknown": {name: list(shape) for name, shape in found.unknown.items()},
    }


def _print(about: dict, found) -> None:
    for key, value in about.items():
        pairs = value if isinstance(value, dict) else {key: value}
        for name, text in pairs.items():
            print(f"{name}: {text}")
    sections = [("in scope, by kind", found.by_kind), ("in scope, by module", found.by_module),
                ("out of scope", found.outside),
                ("total", [row for row in (found.scope, found.whole) if row])]
    width = max(len(row.name) for _, section in sections for row in section)
    for title, section in sections:
        if not section:
            continue
        print(f"\n{title:{max(width, 20)}}  tensors      weights  of model       remain  density")
        for row in section:
            share = "" if row.share is None else f"{row.share:.2%}"
            print(f"{row.name:{max(width, 20)}}  {row.tensors:7d} {row.weights:12,d}  {share:>8} "
                  f"{row.kept:12,d}  {row.density:7.2%}")
    for name, shape in found.unknown.items():
        print(f"\nnote: {name} {list(shape)} belongs to a module the scope doesn't know; it stays dense. "
              "An include pattern that matches the whole name puts it in scope.")


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
