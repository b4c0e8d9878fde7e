"""Decode rounds with ESPnet's own inference, in jobs; then join the jobs with --merge."""

import sys
from pathlib import Path

from audio_lottery.bin import cli


def add_arguments(parser) -> None:
    """Options of a job and of the join."""
    parser.add_argument("exp", help="folder of the search")
    parser.add_argument("--task", default="auto", help="ESPnet task: asr, asr_transducer, st, s2t; auto: read off "
                        "the training configuration")
    parser.add_argument("--inference_config", required=True, help="ESPnet inference configuration (YAML)")
    parser.add_argument("--data", default="dump/raw", help="folder of the formatted sets")
    parser.add_argument("--sets", nargs="+", required=True, help="sets to decode, like: dev test")
    parser.add_argument("--tag", default=None, help="name of the decode folders; default: the configuration's name")
    parser.add_argument("--rounds", nargs="+", default=["all"], help="rounds to decode: all, or numbers")
    parser.add_argument("--model_file", default=None, help="model in each round's folder; default: the average")
    parser.add_argument("--ngpu", type=int, default=0, help="GPUs; 0 decodes on the CPU")
    parser.add_argument("--nj", type=int, default=1, help="number of jobs")
    parser.add_argument("--job", type=int, default=None, help="run only this job, 1 to --nj; default: all in turn")
    parser.add_argument("--merge", action="store_true", help="join the finished jobs into one text a set")


def run(args) -> None:
    """Decode or join every chosen round and set."""
    from audio_lottery.errors import LotteryError
    from audio_lottery.espnet.decode import Decoding, decode, merge
    from audio_lottery.espnet.tasks import resolve
    from audio_lottery.espnet.versions import require
    from audio_lottery.layout import Layout

    require()
    if args.nj < 1 or (args.job is not None and not 1 <= args.job <= args.nj):
        raise LotteryError(f"--job {args.job} --nj {args.nj}: a job is a number from 1 to --nj")
    if not Path(args.inference_config).is_file():
        raise LotteryError(f"{args.inference_config}: not found: give another --inference_config")
    layout = Layout(Path(args.exp))
    tag = args.tag or Path(args.inference_config).stem.removeprefix("decode_")
    for number in layout.chosen(args.rounds):
        task = resolve(args.task, layout.round(number) / "config.yaml")
        for name in args.sets:
            decoding = Decoding(layout.round(number), Path(args.data) / name, args.inference_config, tag,
                                task, args.model_file, args.ngpu, name)
            if args.merge:
                print(f"{decoding.folder}: {merge(decoding, args.nj)} hypotheses")
                continue
            for job in [args.job] if args.job else range(1, args.nj + 1):
                count = decode(decoding, job, args.nj)
                print(f"{decoding.folder}: job {job} of {args.nj}: {f'{count} decoded' if count else 'up to date'}",
                      flush=True)


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
