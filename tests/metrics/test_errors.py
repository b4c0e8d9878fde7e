"""Errors per utterance beside the ledger, by hand."""

import pytest

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_jsonl
from audio_lottery.metrics.errors import Errors, read, record

REFERENCES = "one two\t(s-u1)\nthree\t(s-u2)\n"


@pytest.fixture
def scored(tmp_path):
    def score(number: int, hypotheses: str, dataset: str = "dev", references: str = REFERENCES) -> None:
        where = tmp_path / f"round_{number:02d}/decode_greedy/{dataset}/score_wer"
        where.mkdir(parents=True, exist_ok=True)
        (where / "ref.trn").write_text(references)
        (where / "hyp.trn").write_text(hypotheses)

    score.exp = tmp_path
    return score


def test_what_is_kept_is_read_again(scored):
    scored(0, REFERENCES)
    scored(1, "one\t(s-u1)\nfour five\t(s-u2)\n")
    record(scored.exp, "greedy", "dev", {0: {"errors": 0}, 1: {"errors": 3}})
    assert read(scored.exp, 1, "greedy", "dev", {"errors": 3}) == Errors(("s-u1", "s-u2"), (2, 1), (1, 2))
    assert read(scored.exp, 0, "greedy", "dev", {"errors": 0}).errors == (0, 0)


def test_scoring_again_replaces_a_set_and_leaves_the_others(scored):
    for dataset in ("dev", "test"):
        scored(0, REFERENCES, dataset)
        record(scored.exp, "greedy", dataset, {0: {"errors": 0}})
    scored(1, "one two\t(s-u1)\n\t(s-u2)\n")
    record(scored.exp, "greedy", "dev", {1: {"errors": 1}})
    assert read(scored.exp, 0, "greedy", "dev", {"errors": 0}).errors == (0, 0)  # the same utterances: kept
    assert read(scored.exp, 0, "greedy", "test", {"errors": 0}).errors == (0, 0)
    before = (scored.exp / "errors.jsonl").read_text()
    record(scored.exp, "greedy", "dev", {1: {"errors": 1}})
    assert (scored.exp / "errors.jsonl").read_text() == before
    scored(1, "one\t(s-u1)\n", references="one\t(s-u1)\n")
    record(scored.exp, "greedy", "dev", {1: {"errors": 0}})  # other utterances: what was is gone
    with pytest.raises(LotteryError, match="no errors of round 0 on dev"):
        read(scored.exp, 0, "greedy", "dev", {"errors": 0})
    assert len(read_jsonl(scored.exp / "errors.jsonl")) == 4


def test_other_errors_than_the_ledgers_are_refused(scored):
    scored(0, REFERENCES)
    with pytest.raises(LotteryError, match="round 0 has 0 errors by utterance, rounds.jsonl says 1: score"):
        record(scored.exp, "greedy", "dev", {0: {"errors": 1}})
