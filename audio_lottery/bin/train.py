"""Train one model or one ticket: ESPnet's own training command, with the --ticket_* options.

All options but --task go to ESPnet (python3 -m espnet2.bin.asr_train --help lists them). A ticket is
trained with --ticket_mask MASK --ticket_init theta0.safetensors, its initial weights are kept with
--ticket_theta0 FILE. ESPnet's log goes to train.log in its --output_dir; of several
processes that train together, those of the others to train.RANK.log.
"""

import sys

from audio_lottery.bin import cli

# ESPnet parses the options that are not ours.
PASS_ON = True


def add_arguments(parser) -> None:
    """``--task``; the rest belongs to ESPnet."""
    parser.add_argument("--task", default="asr", help="ESPnet task: asr, asr_transducer, st, s2t")


def run(args) -> None:
    """Hand over to the ticket-aware task."""
    from pathlib import Path

    from audio_lottery.espnet import launch
    from audio_lottery.espnet.command import parse
    from audio_lottery.espnet.logs import logged_to
    from audio_lottery.espnet.tasks import get_task
    from audio_lottery.espnet.versions import require

    launch.end_with_starter()
    require()
    from espnet2.train.distributed_utils import get_node_rank

    options = parse(args.task, args.rest, "python3 -m espnet2.bin.asr_train --help lists them")
    rank = get_node_rank(options.dist_rank, options.dist_launcher)
    with logged_to(Path(options.output_dir) / (f"train.{rank}.log" if rank else "train.log")):
        get_task(args.task).main(cmd=args.rest)


if __name__ == "__main__":
    from audio_lottery.processes import end

    end(cli.main(sys.modules[__name__]))
