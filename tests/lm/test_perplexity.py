"""Perplexity and out-of-vocabulary counts."""

import pytest

from audio_lottery.errors import LotteryError
from audio_lottery.lm import arpa, perplexity
from audio_lottery.lm.counts import count_ngrams
from audio_lottery.lm.kneser_ney import estimate


def test_by_hand():
    scores = {"a": (-1.0, False), "x": (-3.0, True), "</s>": (-0.5, False)}
    result = perplexity.evaluate([["a", "x"], ["a"]], lambda s: [scores[w] for w in [*s, "</s>"]])
    assert (result.sentences, result.tokens, result.oov) == (2, 3, 1)
    assert result.perplexity == pytest.approx(10 ** (6 / 5))
    assert result.perplexity_without_oov == pytest.approx(10 ** (3 / 4))


def test_a_model_is_less_surprised_by_its_own_text_than_chance(tmp_path):
    text = [["one", "two", "three"]] * 9 + [["two", "one"]]
    arpa.write(tmp_path / "lm", lambda: arpa.lines(estimate(count_ngrams(text, 2))))
    assert perplexity.evaluate(text, perplexity.load(tmp_path / "lm")).perplexity < 4


def test_unigram_models_which_kenlm_refuses(tmp_path):
    arpa.write(tmp_path / "lm", lambda: arpa.lines(estimate(count_ngrams([["a", "b"], ["a"]], 1))))
    assert perplexity.evaluate([["a", "c"]], perplexity.load(tmp_path / "lm")).oov == 1


@pytest.mark.parametrize("content", [None, "no arpa\n"])
def test_missing_or_damaged_model(tmp_path, content):
    if content:
        (tmp_path / "lm").write_text(content)
    with pytest.raises(LotteryError, match="lm"):
        perplexity.load(tmp_path / "lm")


def test_nothing_to_evaluate():
    with pytest.raises(LotteryError, match="no sentence"):
        perplexity.evaluate([], lambda sentence: [])
