"""A language model is checked before anything is decoded with it."""

import pytest
import yaml

from audio_lottery.errors import LotteryError
from audio_lottery.lm import arpa, fusion
from audio_lottery.lm.counts import count_ngrams
from audio_lottery.lm.kneser_ney import estimate

TOKENS = ["<blank>", "<unk>", "one", "two", "<sos/eos>"]


@pytest.fixture
def train_config(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump({"token_list": TOKENS}))
    return path


def model(path, sentences, order=2):
    arpa.write(path, lambda: arpa.lines(estimate(count_ngrams(sentences, order))))
    return {"ngram_file": str(path)}


def test_fitting_models_pass(tmp_path, train_config):
    pytest.importorskip("kenlm", reason="KenLM's Python module is not installed")
    fusion.check_ngram({"beam_size": 3}, train_config)
    fusion.check_ngram(model(tmp_path / "lm", [["one", "two"]]), train_config)
    (tmp_path / "tokens.txt").write_text("\n".join(TOKENS))
    train_config.write_text(f"token_list: {tmp_path}/tokens.txt\n")
    fusion.check_ngram(model(tmp_path / "lm", [["one", "two"]]), train_config)
    (tmp_path / "binary").write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0\1\2")
    fusion.check_ngram({"ngram_file": str(tmp_path / "binary")}, train_config)


def test_other_tokens_are_refused(tmp_path, train_config):
    pytest.importorskip("kenlm", reason="KenLM's Python module is not installed")
    with pytest.raises(LotteryError, match="not the tokens of .*config.yaml"):
        fusion.check_ngram(model(tmp_path / "lm", [list("one"), list("two")]), train_config)
    with pytest.raises(LotteryError, match="single words only, and KenLM needs 2-grams"):
        fusion.check_ngram(model(tmp_path / "lm", [["one", "two"]], order=1), train_config)
    with pytest.raises(LotteryError, match="no such language model"):
        fusion.check_ngram({"ngram_file": "nowhere.arpa"}, train_config)


def test_missing_kenlm_is_said(tmp_path, train_config, monkeypatch):
    monkeypatch.setattr(fusion.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LotteryError, match="pip install kenlm"):
        fusion.check_ngram(model(tmp_path / "lm", [["one", "two"]]), train_config)
