"""Measurements are kept when they are whole, and say what made them."""

import json
from pathlib import Path

import pytest

from audio_lottery.fileio import read_jsonl, write_jsonl

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))


@pytest.mark.parametrize("script, found", [
    ("print('a table'); print('{\"command\": \"one\", \"rows\": []}')", {"command": "one", "rows": []}),
    ("print('{}'); raise SystemExit(3)", None),
    ("print('{}'); print('a table')", None),
    ("", None),
])  # fmt: skip
def test_the_last_line_is_kept(benchmarks, script, found, tmp_path, monkeypatch, capsys):
    import measure

    monkeypatch.setattr(measure, "HERE", tmp_path)
    (tmp_path / "one.py").write_text(script)
    before, other = {"command": "one", "rows": [{}]}, {"command": "one of another round"}
    write_jsonl(tmp_path / "one.jsonl", [before, other])
    assert measure.measure("one", [], tmp_path) is (found is not None)
    assert read_jsonl(tmp_path / "one.jsonl") == ([other, found] if found else [before, other])
    assert ("kept" if found else "failed") in capsys.readouterr().out


def test_a_report_says_what_made_it(benchmarks, monkeypatch, capsys):
    import engine_race

    monkeypatch.setattr("sys.argv", ["/somewhere/benchmarks/one.py", "/home/me/round_01", "exp/a", "--turns", "3"])
    engine_race.report([{"a": 1.0, "b": 2}, {"a": 1.23456, "c": 3}], threads=2)
    *table, line = capsys.readouterr().out.splitlines()
    assert [row.split() for row in table[1:]] == [["a", "b", "c"], ["1", "2", "-"], ["1.23", "-", "3"]]
    made = json.loads(line)
    assert made["command"] == "python benchmarks/one.py round_01 exp/a --turns 3"
    assert made["threads"] == 2 and made["rows"][1] == {"a": 1.23456, "c": 3}
    assert made["versions"]["numpy"] and made["date"].startswith("20") and made["processor"]


def test_medians_of_all_in_turn(benchmarks):
    import engine_race

    order = []
    times = engine_race.race({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, turns=3)
    assert order == ["a", "b"] * 4 and set(times) == {"a", "b"} and min(times.values()) > 0


@pytest.mark.parametrize("name", ["import_time", "engine_kernels", "engine_encoder", "engine_lstm", "transcribe_speed"])
def test_all_that_measure_runs_is_there(benchmarks, name):
    import measure

    assert name in measure.NAMES and (ROOT / "benchmarks" / f"{name}.py").is_file()
