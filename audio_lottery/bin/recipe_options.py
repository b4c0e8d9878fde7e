"""Options that find, stats and prune share: prepared data, tokens and the ESPnet configuration."""

import argparse
import shlex

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError

EXPERIMENT = ("asr_config", "train", "valid", "stats", "token_type", "token_list", "bpemodel")


def add(parser: argparse.ArgumentParser, of_experiment: bool = False) -> None:
    """Add them; names follow ESPnet's recipes. of_experiment: what is not given, --espnet_exp can say."""
    need = not of_experiment
    if of_experiment:
        parser.add_argument("--espnet_exp", default=None, help="experiment of a stock ESPnet recipe, like "
                            "exp/asr_train_...: the options below that are not given are taken from it; start in the "
                            "recipe's folder")
    parser.add_argument("--task", default="auto", help="ESPnet task: asr, asr_transducer, st, s2t; auto: read off "
                        "the training configuration")
    parser.add_argument("--asr_config", required=need, help="ESPnet training configuration (YAML)")
    parser.add_argument("--train", required=need, help="formatted training set, like dump/raw/train")
    parser.add_argument("--valid", required=need, help="formatted dev set, like dump/raw/dev")
    parser.add_argument("--token_type", choices=cli.TOKEN_TYPES, help="tokens [word]")
    parser.add_argument("--token_list", required=need, help="tokens.txt")
    parser.add_argument("--bpemodel", default=None, help="SentencePiece model, for bpe and unigram")
    parser.add_argument("--asr_args", default="", help="further ESPnet options, as one string")


def read(args: argparse.Namespace, stats: str | None):
    """The :class:`audio_lottery.espnet.command.Recipe` of parsed options."""
    from audio_lottery.espnet.command import Recipe
    from audio_lottery.espnet.tasks import resolve

    try:
        words = shlex.split(args.asr_args)
    except ValueError as error:
        raise LotteryError(f"--asr_args {args.asr_args}: {error}: mend its quotes") from None
    given = {**{name: getattr(args, name, None) for name in EXPERIMENT}, "stats": stats}
    if getattr(args, "espnet_exp", None):
        given = _complete(given, args.espnet_exp, args.exp)
    for name in ("asr_config", "train", "valid", "stats", "token_list"):
        if given[name] is None:
            raise LotteryError(f"--{name} is missing: give it, or an --espnet_exp that has it")
    # To ESPnet both are bpe: how the SentencePiece model was made is no matter of the training's.
    kind = {None: "word", "unigram": "bpe"}.get(given["token_type"], given["token_type"])
    return Recipe(resolve(args.task, given["asr_config"]), **{**given, "token_type": kind},
                  ngpu=getattr(args, "ngpu", 0), asr_args=tuple(words),
                  normalize=getattr(args, "feats_normalize", None))


def _complete(given: dict[str, str | None], espnet_exp: str, exp: str) -> dict[str, str | None]:
    """Options with what is missing taken from an ESPnet experiment; its configuration is written into ``exp``."""
    from audio_lottery.espnet.espnet_exp import Experiment

    experiment = Experiment.read(espnet_exp)
    config, tokens = experiment.write(exp)
    said = experiment.config.get
    found = {
        "asr_config": lambda: config, "token_list": lambda: tokens, "stats": experiment.stats,
        "train": lambda: experiment.data("train"), "valid": lambda: experiment.data("valid"),
        "token_type": lambda: said("token_type"), "bpemodel": lambda: said("bpemodel"),
    }
    return {name: value if value is not None else found[name]() for name, value in given.items()}
