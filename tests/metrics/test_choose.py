"""The extreme and the best ticket are chosen on dev alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.errors import LotteryError
from audio_lottery.metrics.choose import Choice, choose, inference_tag


def row(number: int, wer: float, matching: bool | None, test: float = 50.0, tag: str = "greedy") -> dict:
    scores = {tag: {"dev": {"wer": wer, "matches": matching}, "test": {"wer": test, "matches": True}}}
    return {"round": number, "density_scope": 0.8**number, "scores": scores}


def test_extreme_is_the_sparsest_that_matches_and_best_the_lowest():
    rows = [row(0, 10, True), row(1, 9, True), row(2, 8, True), row(3, 11, True), row(4, 15, False)]
    assert choose(rows, "dev") == Choice(extreme=3, best=2)
    assert choose(rows[::-1], "dev") == Choice(extreme=3, best=2)


def test_of_equals_the_sparser_is_best():
    assert choose([row(0, 10, True), row(1, 9, True), row(2, 9, False)], "dev") == Choice(1, 2)


def test_the_dense_model_is_no_ticket():
    assert choose([row(0, 1, True), row(1, 9, False)], "dev") == Choice(None, 1)
    assert choose([row(0, 1, True)], "dev") == Choice(None, None)


def test_missing_scores():
    assert choose([], "dev") == Choice(None, None)
    assert choose([{"round": 0}, {"round": 1, "density_scope": 0.8}], "dev") == Choice(None, None)
    assert choose([row(1, 9, None)], "dev") == Choice(None, 1)
    assert choose([row(1, 9, True), {"round": 2, "density_scope": 0.6}], "dev") == Choice(1, 1)


@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), min_size=1, max_size=8), st.randoms())
def test_test_scores_play_no_part(scores, random):
    rows = [row(n, wer, matching) for n, (wer, matching) in enumerate(scores)]
    others = [row(n, wer, matching, test=random.random()) for n, (wer, matching) in enumerate(scores)]
    assert choose(rows, "dev") == choose(others, "dev")


def test_inference_tag():
    both = [row(0, 1, True, tag="greedy"), row(1, 1, True, tag="beam")]
    assert inference_tag([]) is None
    assert inference_tag(both[:1]) == "greedy"
    assert inference_tag(both, "beam") == "beam"
    with pytest.raises(LotteryError, match="several inferences .greedy, beam."):
        inference_tag(both)
    with pytest.raises(LotteryError, match="no scores of inference 'lm'"):
        inference_tag(both, "lm")
