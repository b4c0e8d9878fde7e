"""Search winning tickets: dense training (round 0), then rounds of pruning, rewinding and training.

Finished rounds are skipped and a killed one is continued, so the same command may be given again.
"""

import sys

from audio_lottery.bin import cli, recipe_options
from audio_lottery.data.options import integer


def add_arguments(parser) -> None:
    """Options of the search; names follow ESPnet's recipes."""
    parser.add_argument("exp", help="folder of the search, made if it is not there")
    recipe_options.add(parser, of_experiment=True)
    parser.add_argument("--stats", help="folder written by audio-lottery stats, or by an ESPnet recipe")
    parser.add_argument("--feats_normalize", choices=("global_mvn", "utterance_mvn"), help="normalise features by the "
                        "statistics of the training set, as ESPnet's recipes do, or by the utterance's own "
                        "[as the configuration says]")
    parser.add_argument("--ngpu", type=integer(0), default=0, help="GPUs; 0 trains on the CPU")
    parser.add_argument("--lottery_conf", default=None, help="lottery configuration (YAML)")
    parser.add_argument("--lottery_args", default="", help="overrides, like '--rate 0.2 --rounds 10'")
    parser.add_argument("--last_round", type=integer(0), default=None, help="stop after this round; 0: dense only")
    parser.add_argument("--separate_rounds", type=cli.str2bool, default=False, help="a process for each round")
    cli.add_json(parser)


def run(args) -> None:
    """Search, then print one line a round."""
    from pathlib import Path

    from audio_lottery import config
    from audio_lottery.espnet.backend import EspnetBackend
    from audio_lottery.espnet.versions import require
    from audio_lottery.layout import Layout
    from audio_lottery.ledger import Ledger
    from audio_lottery.rounds import search

    require()
    lottery = config.load(args.lottery_conf, args.lottery_args)
    recipe = recipe_options.read(args, args.stats)
    backend = EspnetBackend(recipe, lottery.scope, args.separate_rounds)
    backend.scope()  # what it refuses is refused before a folder is made
    search(args.exp, lottery, backend, args.last_round)
    rows = Ledger(Layout(Path(args.exp)).ledger).rows
    if args.json:
        cli.print_json(rows)
        return
    for row in rows:
        print(f"round {row['round']:2d}: {row['density_scope']:7.2%} of the weights in scope, "
              f"{row['density_whole']:7.2%} of the whole model, {row['epochs']} epochs, "
              f"{row['train_seconds']:.0f} s, dev loss {row['valid']['loss']:.3f}")


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
