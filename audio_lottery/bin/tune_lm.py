"""Choose the weight of a language model and the insertion penalty on a dev set, and write the configuration.

Decodes the set with ESPnet's own inference at each point. Test sets are refused: what is tuned on them cannot be
reported. Finished points are kept below the round's folder, so an interrupted command continues.
"""

import argparse
import sys
from pathlib import Path

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options, named as ESPnet's where it has them."""
    parser.add_argument("exp", help="folder of the search")
    parser.add_argument("--round", type=int, default=0, help="round whose model decodes")
    parser.add_argument("--task", default="auto", help="ESPnet task: asr, asr_transducer, st, s2t; auto: read off "
                        "the training configuration")
    parser.add_argument("--inference_config", required=True, help="ESPnet inference configuration to start from")
    parser.add_argument("--ngram_file", help="n-gram model over the recipe's tokens: tunes ngram_weight; "
                        "default: the configuration's language model")  # fmt: skip
    parser.add_argument("--data", default="dump/raw", help="folder of the formatted sets")
    parser.add_argument("--dev", default="dev", help="set to tune on")
    parser.add_argument("--weights", type=float, nargs="+", default=[0, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2],
                        help="weights to try; 0 is no language model")  # fmt: skip
    parser.add_argument("--penalties", type=float, nargs="+", default=[0], help="insertion penalties to try")
    parser.add_argument("--out", required=True, help="configuration to write, conf/decode_lm.yaml for instance")
    parser.add_argument("--ngpu", type=int, default=0, help="GPUs; 0 decodes on the CPU")
    cli.add_json(parser)


def run(args: argparse.Namespace) -> None:
    """Tune and write."""
    import yaml

    from audio_lottery import fileio
    from audio_lottery.espnet.tasks import resolve
    from audio_lottery.espnet.versions import require
    from audio_lottery.layout import Layout
    from audio_lottery.lm.fusion import check_ngram
    from audio_lottery.lm.tuning import search

    require()
    layout = Layout(Path(args.exp))
    if args.round not in layout.finished():
        raise LotteryError(f"{args.exp}: round {args.round} is not finished: train it first, or give another --round")
    folder = layout.round(args.round)
    args.task = resolve(args.task, folder / "config.yaml")
    refuse_test_set(Path(args.data), args.dev)
    config = fileio.read_yaml(args.inference_config)
    if args.ngram_file:
        config["ngram_file"] = args.ngram_file
    name = weight_name(config, args)
    check_ngram(config, folder / "config.yaml")
    rows = []

    def errors(weight: float, penalty: float) -> int:
        counts = decode_point(args, folder, config | {name: weight, "penalty": penalty})
        rows.append({name: weight, "penalty": penalty, "errors": counts.errors, "wer": counts.rate})
        if not args.json:
            print(f"{name} {weight:g}, penalty {penalty:g}: WER {counts.rate:.2f}% on {args.dev}", flush=True)
        return counts.errors

    weight, penalty = search(errors, args.weights, args.penalties)
    best = config | {name: weight, "penalty": penalty}
    if 0 < weight == max(args.weights):
        print(f"note: {name} {weight:g} is the largest that was tried: larger ones may be better: --weights (run.sh: "
              "--lm_weights)", file=sys.stderr)  # fmt: skip
    wer = next(row["wer"] for row in rows if (row[name], row["penalty"]) == (weight, penalty))
    note = f"# Tuned by audio-lottery tune_lm on {args.dev}: WER {wer:.2f}%, round {args.round} of {args.exp}\n"
    fileio.write_text(args.out, note + yaml.safe_dump(best, sort_keys=True))
    if args.json:
        cli.print_json({"best": {name: weight, "penalty": penalty, "wer": wer}, "points": rows, "config": args.out})
    else:
        print(f"{args.out}: {name} {weight:g}, penalty {penalty:g}")


def refuse_test_set(data: Path, dev: str) -> None:
    """LotteryError when ``dev`` is a test set by its name, or shares utterances with one."""
    from audio_lottery.data.kaldi import read_table

    if "test" in dev.lower():
        raise LotteryError(f"--dev {dev}: is a test set: tune on a dev set")
    utterances = set(read_table(data / dev / "wav.scp"))
    for path in sorted(data.glob("*test*/wav.scp")):
        if shared := utterances.intersection(read_table(path)):
            raise LotteryError(f"--dev {dev}: shares {len(shared)} utterances with {path.parent}, {min(shared)} "
                               "for instance: tune on a set that no test set is cut from")


def weight_name(config: dict, args: argparse.Namespace) -> str:
    """Which weight to tune: of the n-gram model, or of ESPnet's neural one."""
    if config.get("ngram_file"):
        if "transducer_conf" in config:
            raise LotteryError(f"{config['ngram_file']}: the transducer search of ESPnet's asr task takes neural "
                               "language models only: train with --task asr_transducer")
        return "ngram_weight"
    if config.get("lm_file"):
        return "lm_weight"
    raise LotteryError(f"{args.inference_config}: no language model in it: give --ngram_file, or lm_file there")


def decode_point(args: argparse.Namespace, folder: Path, config: dict):
    """Decode the dev set with one configuration; its error counts."""
    import yaml

    from audio_lottery import fileio
    from audio_lottery.data.kaldi import read_table
    from audio_lottery.espnet.decode import Decoding, decode, merge
    from audio_lottery.metrics.wer import count_texts, total

    weight = config["ngram_weight" if config.get("ngram_file") else "lm_weight"]
    tag = f"tune_lm/{Path(args.inference_config).stem}_{weight:g}_{config['penalty']:g}"
    path = folder / f"decode_{tag}" / "decode.yaml"
    fileio.write_text(path, yaml.safe_dump(config, sort_keys=True))
    decoding = Decoding(folder, Path(args.data) / args.dev, str(path), tag, args.task, ngpu=args.ngpu)
    decode(decoding, 1, 1)
    merge(decoding, 1)
    texts = hypotheses(decoding.folder / "text")
    references = read_table(Path(args.data) / args.dev / "text")
    return total(count_texts(references, {utterance: texts.get(utterance, "") for utterance in references}))


def hypotheses(path: Path) -> dict[str, str]:
    """Utterance -> hypothesis, which may be empty."""
    from audio_lottery import fileio

    pairs = (line.split(maxsplit=1) for line in fileio.read_text(path).split("\n") if line.strip())
    return {pair[0]: pair[1] if pair[1:] else "" for pair in pairs}


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
