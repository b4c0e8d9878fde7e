"""Verify the invariants on a search's folder; the first violation is named and the status is 1.

Masks nest and their counts are exact; pruned weights are exact zeros in every kept model; each round
started from theta0 (or thetak) bit for bit with a fresh optimiser; the names are stock ESPnet's.
"""

import sys

from audio_lottery.bin import cli


def add_arguments(parser) -> None:
    """The folder."""
    parser.add_argument("exp", nargs="+", help="folder of a search, like exp/asr_train_asr_conformer_raw_word")
    parser.add_argument("--stock", type=cli.str2bool, default=True,
                        help="also build each round's model by stock ESPnet and compare its names")
    parser.add_argument("--task", default="auto", help="ESPnet task: asr, asr_transducer, st, s2t; auto: read off "
                        "the training configuration")
    cli.add_json(parser)


def run(args) -> int:
    """Check every folder; status 1 if anything is violated."""
    from audio_lottery.errors import LotteryError
    from audio_lottery.espnet.models import load_state
    from audio_lottery.invariants import check, unchecked

    results = {}
    for folder in args.exp:
        results[folder] = check(folder, load_state)
        if args.stock:
            results[folder]["stock ESPnet builds each round's model"] = list(_stock(folder, args.task))
    if args.json:
        cli.print_json(results)
    violations = [(folder, one) for folder, checks in results.items() for found in checks.values() for one in found]
    for folder, checks in results.items() if not args.json else ():
        for name, found in checks.items():
            print(f"{folder}: {'ok  ' if not found else 'FAIL'} {name}")
        for note in unchecked(folder):
            print(f"{folder}: note {note}")
    if violations:
        folder, first = violations[0]
        more = f" ({len(violations) - 1} more: see --json)" if len(violations) > 1 else ""
        raise LotteryError(f"{folder}: {first}{more}")
    return 0


def _stock(folder: str, task: str):
    from pathlib import Path

    from audio_lottery.espnet.models import averaged_model_file, load_state, stock_model
    from audio_lottery.layout import Layout

    layout = Layout(Path(folder))
    for number in layout.finished():
        own = stock_model(layout.round(number), task).state_dict()
        state = load_state(averaged_model_file(layout.round(number)))
        for name in sorted(own.keys() ^ state.keys()):
            yield f"round {number}: tensor {name} is {'missing' if name in own else 'not a stock name'}"


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
