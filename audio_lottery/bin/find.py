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
    parser.add_argument("--ngpu", type=integer(0), default=0, help="GPUs (of each node); 0 trains on the CPU")
    parser.add_argument("--num_nodes", type=integer(1), default=1, help="nodes that train together, started by one of "
                        "the next three; without them: processes on this machine's CPU")
    parser.add_argument("--dist_launcher", choices=["slurm"], help="by srun, within the Slurm job that this runs in")
    parser.add_argument("--cmd", help="by ESPnet's launcher with this job starter of Kaldi's, like utils/slurm.pl")
    parser.add_argument("--host", help="by ESPnet's launcher through ssh: machines, like host1,host2:0:1")
    parser.add_argument("--lottery_conf", default=None, help="lottery configuration (YAML)")
    parser.add_argument("--lottery_args", default="", help="overrides, like '--rate 0.2 --rounds 10'")
    parser.add_argument("--last_round", type=integer(0), default=None, help="stop after this round; 0: dense only")
    parser.add_argument("--separate_rounds", type=cli.str2bool, default=False, help="a process for each round")
    parser.add_argument("--archive_rounds", type=cli.str2bool, default=False, help="keep a finished round as a ticket "
                        "file, exact, and remove its models and checkpoints; decoding writes the model out again")
    parser.add_argument("--command", action="append", default=[], metavar="LINE", help="the command line that called "
                        "this: added to EXP/commands.txt, which reports show; may be given again")
    parser.add_argument("--dry_run", type=cli.str2bool, default=False, help="count the disk that the search needs, and "
                        "stop")
    group = parser.add_argument_group("starting from what exists")
    group.add_argument("--dense_model", help="take round 0 from this trained model: an ESPnet experiment folder, a "
                       "model file of one, or a model packed by espnet2.bin.pack")
    group.add_argument("--theta0", help="its initial weights (.safetensors or .pth), to rewind to; found by itself "
                       "when the model is a round of a search")
    group.add_argument("--source_ticket", help="take the masks of this search (its folder) or .ticket file, and the "
                       "initial weights that belong to them; under other tokens, vocabulary layers start anew")
    group.add_argument("--source_round", default="all", help="its round whose ticket is trained, as round 1; all: each "
                       "round takes the mask of its namesake")
    group.add_argument("--source_weights", type=cli.str2bool, default=True,
                       help="false: take the mask alone, with this model's own initial weights")
    cli.add_json(parser)


def run(args) -> None:
    """Search, then print one line a round."""
    from pathlib import Path

    from audio_lottery import commands, config_file
    from audio_lottery.errors import LotteryError
    from audio_lottery.espnet import disk, small_dense
    from audio_lottery.espnet.backend import EspnetBackend
    from audio_lottery.espnet.launch import Launcher
    from audio_lottery.espnet.versions import require
    from audio_lottery.layout import Layout
    from audio_lottery.ledger import Ledger
    from audio_lottery.rounds import search

    require()
    lottery = config_file.load(args.lottery_conf, args.lottery_args)
    recipe = recipe_options.read(args, args.stats)
    launcher = Launcher(args.ngpu, args.num_nodes, args.cmd, args.host, args.dist_launcher)
    backend = EspnetBackend(recipe, lottery.scope, args.separate_rounds, launcher)
    backend.scope()  # what it refuses is refused before a folder is made
    if args.dry_run:
        counted = disk.count(disk.Sizes.of(backend), lottery, args.archive_rounds)
        if args.json:
            cli.print_json(counted)
        else:
            print(disk.shown(counted))
        return
    lottery, begins = _begins(args, lottery, backend)
    if lottery.small_dense:
        if args.archive_rounds:
            raise LotteryError("--archive_rounds true: narrower dense models have no masks: leave it out")
        small_dense.search(args.exp, lottery, backend, args.last_round, begins)
    else:
        search(args.exp, lottery, backend, args.last_round, begins, args.archive_rounds)
    commands.remember(args.exp, args.command)
    rows = Ledger(Layout(Path(args.exp)).ledger).rows
    if args.json:
        cli.print_json(rows)
        return
    for row in rows:
        effort = (f"taken from {row['imported']['from']}" if row.get("imported") else
                  f"{row['epochs']} epochs, {row['train_seconds']:.0f} s, dev loss {row['valid']['loss']:.3f}")
        print(f"round {row['round']:2d}: {row['density_scope']:7.2%} of the weights in scope, "
              f"{row['density_whole']:7.2%} of the whole model, {effort}")


def _begins(args, lottery, backend):
    """The configuration and what has to be put in place first, of a search that starts from what exists."""
    from pathlib import Path

    from audio_lottery.errors import LotteryError
    from audio_lottery.espnet import dense_model, transfer
    from audio_lottery.layout import Layout

    begins = []
    if args.theta0 and not args.dense_model:
        raise LotteryError("--theta0: these are the initial weights of --dense_model: give that too")
    if args.source_ticket:
        if args.dense_model and args.source_weights:
            raise LotteryError("--dense_model and --source_ticket: both bring weights: take the mask alone of the "
                               "latter (--source_weights false)")
        source = transfer.read(args.source_ticket, args.source_round, args.source_weights, backend)
        lottery = source.configure(lottery, Layout(Path(args.exp)), single=args.source_round != "all")
        begins.append(lambda layout: source.begin(layout, lottery.rounds))
    if args.dense_model:
        begins.append(dense_model.read(args.dense_model, args.theta0, backend, lottery).begin)
    return lottery, begins


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
