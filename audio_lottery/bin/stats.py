"""Collect statistics for training: lengths of audio and text, feature mean and variance."""

import sys

from audio_lottery.bin import cli, recipe_options


def add_arguments(parser) -> None:
    """Options of the recipe, and where to write."""
    recipe_options.add(parser)
    parser.add_argument("--out", required=True, help="folder of the statistics, like exp/asr_stats_raw_word")


def run(args) -> None:
    """Collect, unless it was done for the same input."""
    from audio_lottery.espnet.stats import collect
    from audio_lottery.espnet.versions import require

    require()
    made = collect(recipe_options.read(args, args.out))
    print(f"{args.out}: {'statistics collected' if made else 'up to date'}")


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
