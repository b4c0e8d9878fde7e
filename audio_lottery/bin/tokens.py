"""Stage 3: make the token list of a training text (and the SentencePiece model for bpe and unigram)."""

import argparse
import sys

from audio_lottery.bin import cli
from audio_lottery.data.options import integer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options, named as ESPnet's where it has them."""
    parser.add_argument("--text", required=True, help="Kaldi text of the training set")
    parser.add_argument("--out", required=True, help="folder for tokens.txt and bpe.model")
    parser.add_argument("--token_type", choices=cli.TOKEN_TYPES, default="word",
                        help="unit of the token list")  # fmt: skip
    parser.add_argument(
        "--nbpe", type=integer(1), default=30, help="length of the token list for bpe and unigram"
    )


def run(args: argparse.Namespace) -> None:
    """Write the token list."""
    from audio_lottery.data.tokens import make_tokens

    count = make_tokens(args.text, args.out, args.token_type, args.nbpe)
    print(f"{args.out}/tokens.txt: {count} tokens")


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
