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
    parser.add_argument("--gates", type=cli.str2bool, default=False,
                        help="of a configuration: each gate of an LSTM or GRU as a tensor of its own")
    parser.add_argument("--tensors", type=cli.str2bool, default=False, help="list every tensor in scope, too")
    cli.add_json(parser)


def run(args) -> None:
    """Print the tables, or one JSON document."""
    from pathlib import Path

    from audio_lottery import maskfile, shares

    source = Path(args.source)
    about = {"source": args.source}
    if source.is_dir():
        from audio_lottery.espnet.sources import round_of

        _no_scope_options(args)
        shown = round_of(source, args.round, args.task)
        about["round"] = shown.number
        found = shares.of_model(shown.model, shown.scope, shown.mask)
    elif source.suffix == ".safetensors":
        _no_scope_options(args)
        mask, about["metadata"] = maskfile.read(source)
        about["digest"] = mask.digest()
        found = shares.of_mask(mask)
    else:
        from audio_lottery.espnet.sources import configured_model

        found = shares.of_model(configured_model(args.source, args.task, args.token_list), _scope(args))
    if args.json:
        cli.print_json(about | _plain(found))
    else:
        _print(about, found, args.tensors)


def _no_scope_options(args) -> None:
    from audio_lottery.errors import LotteryError

    if args.include or args.exclude or args.output_layer or args.gates:
        raise LotteryError(f"{args.source}: has a scope of its own: leave --include, --exclude, --output_layer "
                           "and --gates out, or give its round_00/config.yaml")


def _scope(args):
    from audio_lottery.scope import ScopeConfig

    return ScopeConfig(tuple(args.include), tuple(args.exclude), args.output_layer, gates=args.gates)


def _plain(found) -> dict:
    def plain(row):
        return row and {**row.__dict__, "density": row.density}

    return {
        "scope": plain(found.scope),
        "whole": plain(found.whole),
        "by_kind": [plain(row) for row in found.by_kind],
        "by_module": [plain(row) for row in found.by_module],
        "by_tensor": [plain(row) for row in found.by_tensor],
        "out_of_scope": [plain(row) for row in found.outside],
        "unknown": {name: list(shape) for name, shape in found.unknown.items()},
    }


def _print(about: dict, found, tensors: bool) -> None:
    for key, value in about.items():
        pairs = value if isinstance(value, dict) else {key: value}
        for name, text in pairs.items():
            print(f"{name}: {text}")
    sections = [("in scope, by kind", found.by_kind), ("in scope, by module", found.by_module),
                ("in scope, by tensor", found.by_tensor if tensors else []),
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
