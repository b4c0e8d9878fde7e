"""The ledger keeps rows whole."""

import json
import multiprocessing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_lottery.errors import LotteryError
from audio_lottery.ledger import Ledger


def test_rows_are_merged_and_in_order(tmp_path):
    ledger = Ledger(tmp_path / "exp" / "rounds.jsonl")
    assert ledger.rows == []
    assert ledger.get(0) is None
    ledger.record(1, density_scope=0.8)
    ledger.record(0, density_scope=1.0, seed=3)
    ledger.record_score(1, "greedy", "dev", {"wer": 9.0})
    ledger.record_score(1, "greedy", "test", {"wer": 8.0})
    ledger.record(1, density_scope=0.81, valid={"loss": 2.0})
    scores = {"greedy": {"dev": {"wer": 9.0}, "test": {"wer": 8.0}}}
    assert ledger.rows == [
        {"round": 0, "density_scope": 1.0, "seed": 3},
        {"round": 1, "density_scope": 0.81, "scores": scores, "valid": {"loss": 2.0}},
    ]
    assert ledger.get(1)["scores"] == scores
    lines = ledger.path.read_text().splitlines()
    assert [json.loads(line)["round"] for line in lines] == [0, 1]
    assert [path.name for path in ledger.path.parent.iterdir()] == ["rounds.jsonl"]


def test_a_folder_stands_for_its_ledger(tmp_path):
    Ledger(tmp_path).record(0, seed=1)
    assert Ledger(tmp_path / "rounds.jsonl").get(0) == {"round": 0, "seed": 1}


def test_recording_again_changes_nothing(tmp_path):
    ledger = Ledger(tmp_path)
    for _ in range(2):
        ledger.record(0, seed=1)
        ledger.record_score(0, "greedy", "dev", {"wer": 9.0})
        before = ledger.path.read_bytes()
    assert ledger.path.read_bytes() == before


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from("abc"), st.integers()), max_size=12))
def test_the_last_value_of_each_field_stands(tmp_path_factory, updates):
    ledger, expected = Ledger(tmp_path_factory.mktemp("ledger")), {}
    for number, field, value in updates:
        ledger.record(number, **{field: value})
        expected.setdefault(number, {"round": number})[field] = value
    assert ledger.rows == [expected[number] for number in sorted(expected)]


def record_many(path, field: str) -> None:
    for number in range(25):
        Ledger(path).record(number, **{field: number})


def test_two_writers_lose_nothing(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=record_many, args=(tmp_path, field)) for field in ("a", "b")]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert Ledger(tmp_path).rows == [{"round": n, "a": n, "b": n} for n in range(25)]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"round": 0}\n{"round": 0}\n', "round 0 occurs twice"),
        ('{"seed": 0}\n', 'a row has no "round"'),
        ("3\n", 'a row has no "round"'),
        ('{"round": 0}\n{"round": 1, "se', "rounds.jsonl:2: not valid JSON"),
    ],
)
def test_a_damaged_ledger_is_an_error_and_is_kept(tmp_path, content, fault):
    (tmp_path / "rounds.jsonl").write_text(content)
    with pytest.raises(LotteryError, match=fault):
        Ledger(tmp_path).record(2, seed=1)
    assert (tmp_path / "rounds.jsonl").read_text() == content
