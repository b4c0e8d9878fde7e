"""Score the decoded rounds of a search and say which match the dense model.

Reads EXP/round_NN/decode_<tag>/<set>/text and REFS/<set>/{text,utt2spk}; writes score_wer/ and score_cer/
beside the hypotheses, and WER, confidence interval and the paired test against round 0 to EXP/rounds.jsonl,
and each utterance's errors to EXP/errors.jsonl, from which tests are made again.
"""

import argparse
import sys
from pathlib import Path

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("exp", metavar="EXP", help="folder of the search, with round_00, round_01, ...")
    parser.add_argument("--sets", nargs="+", required=True, metavar="SET", help="sets to score")
    parser.add_argument("--refs", default="dump/raw", help="folder with <set>/text and <set>/utt2spk")
    parser.add_argument("--inference_tag", help="which decode_<tag>; all by default")
    parser.add_argument("--alpha", type=float, default=0.05, help="level of the paired test")
    parser.add_argument("--margin", type=float, help="also ask for a WER within so many points of the dense")
    parser.add_argument(
        "--test", choices=("permutation", "mapsswe"), default="permutation", help="the paired test"
    )
    cli.add_json(parser)


def run(args: argparse.Namespace) -> int | None:
    """Score what is decoded and print a line per round and set."""
    from audio_lottery.ledger import Ledger
    from audio_lottery.metrics import errors
    from audio_lottery.metrics.compare import Comparison, score_rounds

    if not 0 < args.alpha < 1:
        raise LotteryError(f"--alpha {args.alpha}: must lie between 0 and 1: the usual level is 0.05")
    exp = Path(args.exp)
    if not exp.is_dir():
        raise LotteryError(f"{exp}: no such folder: name the folder of a search, with round_00 in it")
    comparison = Comparison(test=args.test, alpha=args.alpha, margin=args.margin)
    ledger, done = Ledger(exp), []
    tags = [args.inference_tag] if args.inference_tag else find_tags(exp, args.sets)
    for tag in tags:
        for dataset in args.sets:
            scored = {}
            for number, score in score_rounds(exp, tag, dataset, Path(args.refs) / dataset, comparison):
                ledger.record_score(number, tag, dataset, score)
                scored[number] = score
                done.append({"round": number, "inference": tag, "set": dataset, **score})
                if not args.json:
                    print(_line(done[-1]), flush=True)
            if scored:
                errors.record(exp, tag, dataset, scored)
    if not done:
        raise LotteryError(f"{exp}: nothing decoded for {' '.join(args.sets)}: decode these sets first")
    for note in dict.fromkeys(row["note"] for row in done if "note" in row):
        print(f"note: {note}", file=sys.stderr)
    if args.json:
        cli.print_json(done)
    return 0


def find_tags(exp: Path, sets: list[str]) -> list[str]:
    """Inference tags that have hypotheses of one of the sets in any round."""
    found = {
        text.parent.parent.name.removeprefix("decode_")
        for dataset in sets
        for text in exp.glob(f"round_[0-9]*/decode_*/{dataset}/text")
    }
    return sorted(found)


def _line(row: dict) -> str:
    from audio_lottery.report.table import p_value

    low, high = row["ci"]
    line = f"round {row['round']:2d}  {row['set']}: WER {row['wer']:.2f}% [{low:.2f}, {high:.2f}]"
    line += f", {row['errors']} errors in {row['words']} words"
    if row["matches"] is None:
        return line + ", dense model not scored"
    if row["round"] == 0:
        return line + " (dense)"
    verdict = "matches" if row["matches"] else "worse than"
    return line + f", p {p_value(row['p_worse'])}, {verdict} the dense model"


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
