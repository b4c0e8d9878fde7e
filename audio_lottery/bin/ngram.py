"""Estimate an n-gram language model (modified Kneser-Ney) as an ARPA file, and measure its perplexity.

For ESPnet's --ngram_file give the recipe's --token_type, --token_list (and --bpemodel): its n-gram scorer works on
tokens. The end of a sentence is then also written under the list's own name, <sos/eos>, which the scorer asks for.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from audio_lottery.bin import cli


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options, named as ESPnet's and lmplz's where they have them."""
    parser.add_argument("--text", nargs="+", help="training texts, one sentence a line; none: only evaluate --out")
    parser.add_argument("--out", required=True, help="ARPA file to write, or to evaluate when there is no --text")
    parser.add_argument("--order", type=int, default=3, choices=range(1, 7), help="words in the longest n-gram")
    parser.add_argument("--prune", default="0", help="drop n-grams seen at most so often, by order: '0 0 1'")
    parser.add_argument("--discount_fallback", type=cli.str2bool, default=True,
                        help="true: discounts 0.5 1 1.5 where the text cannot give them; false: stop")  # fmt: skip
    parser.add_argument("--method", default="auto", choices=("auto", "lmplz", "python"),
                        help="estimator; auto: lmplz where it is on PATH")  # fmt: skip
    parser.add_argument("--utt_ids", type=cli.str2bool, default=False,
                        help="true: texts are Kaldi's, each line starts with an utterance id")  # fmt: skip
    parser.add_argument("--token_type", default="word", choices=cli.TOKEN_TYPES,
                        help="unit of the model")  # fmt: skip
    parser.add_argument("--bpemodel", help="SentencePiece model, for bpe and unigram")
    parser.add_argument("--token_list", help="the recipe's tokens.txt")
    parser.add_argument("--evaluate", nargs="+", default=[], metavar="TEXT", help="texts to measure perplexity on")
    cli.add_json(parser)


def run(args: argparse.Namespace) -> None:
    """Estimate, then evaluate."""
    from audio_lottery.errors import LotteryError
    from audio_lottery.lm import perplexity
    from audio_lottery.lm.text import read_sentences, tokenizer

    if not args.text and not args.evaluate:
        raise LotteryError("nothing to do: give --text to estimate a model, --evaluate to measure one")
    split = tokenizer(args.token_type, args.bpemodel)
    report: dict = {"model": args.out, "evaluations": []}
    if args.text:
        lines = [line for path in args.text for line in read_sentences(path, args.utt_ids)]
        report |= _estimate(args, lambda: map(split, lines))
    model = perplexity.load(args.out) if args.evaluate else None
    for path in args.evaluate:
        result = perplexity.evaluate(map(split, read_sentences(path, args.utt_ids)), model)
        report["evaluations"].append({
            "text": path, "sentences": result.sentences, "tokens": result.tokens, "oov": result.oov,
            "perplexity": result.perplexity, "perplexity_without_oov": result.perplexity_without_oov,
        })  # fmt: skip
    cli.print_json(report) if args.json else _print(report)


def _estimate(args: argparse.Namespace, sentences: Callable[[], Iterable[list[str]]]) -> dict:
    from audio_lottery.errors import LotteryError
    from audio_lottery.lm import arpa, lmplz
    from audio_lottery.lm.counts import check_order, count_ngrams
    from audio_lottery.lm.kneser_ney import estimate
    from audio_lottery.lm.text import END, read_token_list, unlisted

    if not all(word.isdigit() for word in args.prune.split()):
        raise LotteryError(f"--prune {args.prune}: not whole numbers: write them like '0 0 1'")
    prune = [int(word) for word in args.prune.split()]
    by_lmplz = args.method == "lmplz" or (args.method == "auto" and lmplz.available())
    # For lmplz words alone are counted, which is what checks the text.
    counts = count_ngrams(sentences(), 1 if by_lmplz else args.order)
    check_order(args.order, counts.longest)
    tokens = read_token_list(args.token_list) if args.token_list else []
    report = {"order": args.order, "sentences": counts.sentences, "tokens": counts.tokens,
              "method": "lmplz" if by_lmplz else "python",
              "not_in_token_list": unlisted(counts.vocabulary(), tokens, args.token_list) if tokens else {}}
    alias = END if END in tokens else None
    if by_lmplz:
        folder = Path(args.out).parent
        folder.mkdir(parents=True, exist_ok=True)
        with lmplz.estimated(sentences(), args.order, prune, args.discount_fallback, folder) as made:
            arpa.write(args.out, lambda: _lines(made), alias)
    else:
        model = estimate(counts, prune, args.discount_fallback)
        report |= {"ngrams": [int(keep.sum()) for keep in model.keep], "discounts": model.discounts,
                   "fallback_orders": model.fallback}  # fmt: skip
        arpa.write(args.out, lambda: arpa.lines(model), alias)
    return report


def _lines(path: Path) -> Iterator[str]:
    with open(path, encoding="utf-8", newline="\n") as stream:
        yield from stream


def _print(report: dict) -> None:
    if "method" in report:
        print(f"{report['model']}: order {report['order']}, {report['sentences']} sentences, "
              f"{report['tokens']} tokens, estimated by {report['method']}")  # fmt: skip
    for k, count in enumerate(report.get("ngrams", []), 1):
        fallback = " (fallback)" if k in report["fallback_orders"] else ""
        discounts = " ".join(f"{value:.4f}" for value in report["discounts"][k - 1])
        print(f"  {k}-grams {count}, discounts {discounts}{fallback}")
    if missing := report.get("not_in_token_list"):
        print(f"note: {sum(missing.values())} tokens of the text ({len(missing)} kinds, "
              f"{' '.join(list(missing)[:5])} ...) are not in the token list; no decoder asks for them")  # fmt: skip
    for row in report["evaluations"]:
        print(f"{row['text']}: perplexity {row['perplexity']:.2f}, {row['perplexity_without_oov']:.2f} without "
              f"the {row['oov']} unknown words; {row['tokens']} tokens in {row['sentences']} sentences")  # fmt: skip


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
