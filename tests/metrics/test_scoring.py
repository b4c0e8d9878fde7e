"""Scoring a set: files, scorer, notes."""

import re

import pytest

from audio_lottery.errors import LotteryError
from audio_lottery.metrics import sclite, scoring
from audio_lottery.metrics.sclite import find_sclite, parse_result
from audio_lottery.metrics.scoring import check_coverage, score_characters, score_words
from audio_lottery.metrics.wer import Counts

REFERENCES = {"u1": "one two three", "u2": "four five", "u3": "six"}
HYPOTHESES = {"u3": "six", "u1": "one too three four", "u2": ""}
SPEAKERS = {"u1": "Anna", "u2": "bob", "u3": "bob"}


@pytest.fixture
def without_sclite(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sclite, "DEBIAN_PATH", str(tmp_path / "sclite"))


def test_python_scorer_writes_a_result_of_sclites_layout(tmp_path, without_sclite):
    score = score_words(REFERENCES, HYPOTHESES, SPEAKERS, tmp_path / "out")
    assert score.scorer == "python"
    assert "sclite was not found" in score.note
    assert score.total == Counts(3, 1, 2, 1)
    text = (tmp_path / "out" / "result.txt").read_text()
    assert score.note in text
    assert parse_result(text.encode()) == {"anna-u1": Counts(2, 1, 0, 1), "bob-u2": Counts(deleted=2),
                                           "bob-u3": Counts(1)}
    assert re.search(r"\| SPKR +\| # Snt +# Wrd \| +Corr +Sub +Del +Ins +Err +S.Err \|", text)
    assert re.search(r"\| Sum/Avg +\| +3 +6 \| +50.0 +16.7 +33.3 +16.7 +66.7 +66.7 \|", text)
    assert re.search(r"\| bob +\| +2 +3 \| +1 +0 +2 +0 +2 +1 \|", text)


@pytest.mark.skipif(find_sclite() is None, reason="sclite is not installed (Debian package sctk)")
def test_sclite_and_python_print_the_same_numbers(tmp_path, monkeypatch):
    by_sclite = score_words(REFERENCES, HYPOTHESES, SPEAKERS, tmp_path / "a")
    monkeypatch.setattr(sclite, "DEBIAN_PATH", "")
    monkeypatch.setenv("PATH", "")
    by_python = score_words(REFERENCES, HYPOTHESES, SPEAKERS, tmp_path / "b")
    assert (by_sclite.scorer, by_python.scorer) == ("sclite", "python")
    assert by_sclite.counts == by_python.counts
    rows = [
        [line.split() for line in (tmp_path / side / "result.txt").read_text().splitlines()
         if re.match(r"\s*\|\s*(anna|bob|Sum)", line)]  # sclite centres its table below the file's path
        for side in "ab"
    ]
    assert [numbers(row) for row in rows[0]] == [numbers(row) for row in rows[1]]


@pytest.mark.skipif(find_sclite() is None, reason="sclite is not installed (Debian package sctk)")
def test_large_sets_are_scored_in_parts(tmp_path, monkeypatch):
    whole = score_words(REFERENCES, HYPOTHESES, SPEAKERS, tmp_path / "whole")
    monkeypatch.setattr(scoring, "MOST", 3)
    parts = score_words(REFERENCES, HYPOTHESES, SPEAKERS, tmp_path / "parts")
    assert (parts.scorer, parts.counts) == ("sclite", whole.counts)
    texts = [(tmp_path / side / "result.txt").read_bytes() for side in ("whole", "parts")]
    assert re.match(rb"Aligned by sclite in [2-9] parts", texts[1])
    assert parse_result(texts[0]) == parse_result(texts[1])
    totals = [re.search(r"^.*Sum/Avg.*$", text.decode("latin-1"), re.M)[0] for text in texts]
    assert numbers([totals[0]]) == numbers([totals[1]])


def numbers(row: list[str]) -> list[float]:
    return [float(found) for found in re.findall(r"\d+\.?\d*", " ".join(row))]


def test_special_texts_are_scored_literally_with_a_note(tmp_path):
    score = score_words({"u1": "mail me @ home"}, {"u1": "mail me home"}, {"u1": "s"}, tmp_path)
    assert score.scorer == "python"
    assert score.total == Counts(3, 0, 1, 0)
    assert "the word @ (u1)" in score.note
    assert score.note in (tmp_path / "result.txt").read_text()


def test_characters(tmp_path):
    score = score_characters({"u1": "ab c"}, {"u1": "ab"}, {"u1": "s"}, tmp_path)
    assert score.total == Counts(2, 0, 2, 0)
    assert (tmp_path / "ref.trn").read_text() == "a b <space> c\t(s-u1)\n"


def test_scoring_twice_gives_the_same_files(tmp_path):
    results = []
    for _ in range(2):
        score_words(REFERENCES, HYPOTHESES, SPEAKERS, tmp_path)
        results.append((tmp_path / "result.txt").read_bytes())
    assert results[0] == results[1]


def test_coverage():
    check_coverage(REFERENCES, HYPOTHESES, "text", "hyp")
    with pytest.raises(LotteryError, match="hyp: no hypothesis for u2 and 1 more of text"):
        check_coverage(REFERENCES, {"u1": ""}, "text", "hyp")
    with pytest.raises(LotteryError, match="hyp: u9 is not in text"):
        check_coverage(REFERENCES, {**HYPOTHESES, "u9": ""}, "text", "hyp")
