"""Checks of a language model before ESPnet decodes with it."""

import importlib.util
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_yaml
from audio_lottery.lm.query import order
from audio_lottery.lm.text import check_tokens, read_token_list


def check_ngram(inference: dict, train_config: str | Path) -> None:
    """Check that the ``ngram_file`` of an inference configuration fits the model of ``train_config``.

    Nothing to do without one. LotteryError when the file or KenLM's module is missing, the model's words are
    not the recipe's tokens, or it has no 2-grams, without which KenLM takes none. KenLM's binary files hold no
    readable words; ESPnet alone checks those.
    """
    ngram = inference.get("ngram_file")
    if not ngram:
        return
    if not Path(ngram).is_file():
        raise LotteryError(f"{ngram}: no such language model: make it with audio-lottery ngram")
    if not importlib.util.find_spec("kenlm"):
        raise LotteryError(f"{ngram}: decoding with an n-gram model needs KenLM's module: pip install kenlm")
    with open(ngram, "rb") as stream:
        if stream.read(9) == b"mmap lm h":  # how KenLM's binary format starts
            return
    tokens = read_yaml(train_config).get("token_list")
    listed = tokens if isinstance(tokens, list) else read_token_list(tokens)
    check_tokens(ngram, listed, train_config)
    if order(ngram) < 2:
        raise LotteryError(f"{ngram}: holds single words only, and KenLM needs 2-grams at least: make the model with "
                           "audio-lottery ngram --order 2, or more")
