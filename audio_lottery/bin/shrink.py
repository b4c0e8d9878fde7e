"""Remove what a structured mask emptied: a smaller dense ESPnet model with the same output.

For masks of heads, feed-forward and convolution channels and whole layers. The folder that is written is an
ordinary ESPnet experiment, with its own config.yaml, which stock ESPnet loads. Its output is compared with the
masked model's, on utterances of the dev set (without one at hand, on random input).
"""

import argparse
from pathlib import Path

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which round, where to, and for whom."""
    parser.add_argument("exp", type=Path, help="folder of a search, like exp/asr_imp_heads")
    parser.add_argument("--round", type=int, required=True, help="the round to shrink")
    parser.add_argument("--out", type=Path, required=True, help="folder to write; it must be empty or not exist")
    parser.add_argument("--exact_sizes", type=cli.str2bool, default=False,
                        help="each module gets a size of its own, also where stock ESPnet has one for all: smaller, "
                        "but only this toolkit's inference commands load it")
    cli.add_json(parser)


def run(args: argparse.Namespace) -> None:
    """Shrink, compare, write, and say what became of each structure."""
    from audio_lottery.espnet.shrink_folder import shrink_round
    from audio_lottery.layout import Layout

    if args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        raise LotteryError(f"{args.out}: not an empty folder: give a new name")
    report = shrink_round(Layout(args.exp).round(args.round), args.out, args.exact_sizes)
    if args.json:
        cli.print_json(report)
        return
    for change in report["changes"]:
        idle = f", {change['idle']} of zeros among all modules" if change["idle"] else ""
        why = f": {change['why']}" if change["why"] else ""
        print(f"{change['key']:<40} {change['before']} -> {change['after']}{idle}{why}")
    for what in ("parameters", "macs", "bytes"):
        before, after = report[what]
        print(f"{what:<40} {before} -> {after} ({after / before:.1%})")
    print(f"{args.out}: output differs by at most {report['difference']:.1e} on {report['compared_on']}")


if __name__ == "__main__":
    import sys

    sys.exit(cli.main(sys.modules[__name__]))
