"""The benchmark of growth at small sizes: what it keeps, and when it complains."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytest.importorskip("soundfile", reason="its data folders name a recording")


def run(keep: Path, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, ROOT / "benchmarks/scaling.py", "--utterances", "160", "--weights", "1e5"]
    return subprocess.run([*command, "--keep", keep, *words], text=True, capture_output=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})


def test_steps_are_kept_and_kept_beside_each_other(tmp_path):
    keep = tmp_path / "scaling.jsonl"
    for step in ("letters", "mask"):
        done = run(keep, "--steps", step)
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] + "\n" == keep.read_text()
    rows = json.loads(keep.read_text())["rows"]
    assert [(row["step"], row["size"]) for row in rows] == [
        ("letters", 5), ("letters", 20), ("mask", 12500), ("mask", 50000), ("mask", 100000)]
    assert all(row["CPU seconds"] > 0 and row["peak MB"] > 1 for row in rows if "growth" in row)
    assert [row["step"] for row in rows if "growth" in row] == ["letters", "mask"]


def test_growth_is_an_exponent_and_what_is_worse_than_linear_is_told(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import scaling

    small, large = {"size": 100, "CPU seconds": 1.0}, {"size": 800, "CPU seconds": 64.0}
    assert scaling.exponent(small, large) == pytest.approx(2)
    assert scaling.worse([small, {**large, "growth": 2.0}], 1.15)
    assert not scaling.worse([small, {**large, "growth": 1.1}], 1.15)
    assert not scaling.worse([small, {**large, "CPU seconds": 1.9, "growth": 2.0}], 1.15)
