"""Options that find, stats and prune share: prepared data, tokens and the ESPnet configuration."""

import argparse
import shlex

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError


def add(parser: argparse.ArgumentParser) -> None:
    """Add them; names follow ESPnet's recipes."""
    parser.add_argument("--task", default="auto", help="ESPnet task: asr, asr_transducer, st, s2t; auto: read off "
                        "the training configuration")
    parser.add_argument("--asr_config", required=True, help="ESPnet training configuration (YAML)")
    parser.add_argument("--train", required=True, help="formatted training set, like dump/raw/train")
    parser.add_argument("--valid", required=True, help="formatted dev set, like dump/raw/dev")
    parser.add_argument("--token_type", default="word", choices=cli.TOKEN_TYPES, help="tokens")
    parser.add_argument("--token_list", required=True, help="tokens.txt")
    parser.add_argument("--bpemodel", default=None, help="SentencePiece model, for bpe and unigram")
    parser.add_argument("--asr_args", default="", help="further ESPnet options, as one string")


def read(args: argparse.Namespace, stats: str):
    """The :class:`audio_lottery.espnet.command.Recipe` of parsed options."""
    from audio_lottery.espnet.command import Recipe
    from audio_lottery.espnet.tasks import resolve

    try:
        words = shlex.split(args.asr_args)
    except ValueError as error:
        raise LotteryError(f"--asr_args {args.asr_args}: {error}: mend its quotes") from None
    return Recipe(resolve(args.task, args.asr_config), args.asr_config, args.train, args.valid, stats,
                  args.token_type, args.token_list, args.bpemodel, getattr(args, "ngpu", 0), tuple(words))
