"""audio-lottery table, as a user calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from audio_lottery.commands import remember, remembered
from audio_lottery.ledger import Ledger

ROOT = Path(__file__).parents[2]


def table(*arguments: object) -> subprocess.CompletedProcess:
    line = [sys.executable, "-m", "audio_lottery.bin.table", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(line, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture
def exp(tmp_path):
    ledger = Ledger(tmp_path / "exp" / "rounds.jsonl")
    for number in range(3):
        ledger.record(number, density_scope=0.8**number, density_whole=0.9**number)
        score = {"wer": 9.0 + number, "ci": [8.0, 12.0], "p_worse": 0.5, "matches": True, "scorer": "sclite",
                 "utterances": 20, "words": 80}
        ledger.record_score(number, "greedy", "dev", score)
        ledger.record_score(number, "greedy", "test", score)
    return tmp_path / "exp"


def test_text_and_markdown(exp):
    done = table(exp)
    assert done.returncode == 0, done.stderr
    line = "extreme ticket: round 2, 64.0% of scope, 81.0% of model; WER % dev 11.00, test 11.00"
    assert line in done.stdout.splitlines()
    assert table(exp, "--format", "markdown").stdout.startswith("| round | scope % |")


def test_report(exp):
    done = table(exp, "--report", exp / "report", "--command", "./run.sh", "--command", "audio-lottery table")
    assert done.returncode == 0, done.stderr
    assert f"report: {exp / 'report' / 'RESULTS.md'}" in done.stdout
    assert "./run.sh\naudio-lottery table" in (exp / "report" / "RESULTS.md").read_text()
    assert (exp / "report" / "wer.png").read_bytes().startswith(b"\x89PNG")


def test_all_commands_that_made_a_search_are_shown(exp):
    """A search is trained by one call and decoded again by another."""
    remember(exp, ["./run.sh --stop_stage 6", "./run.sh --stop_stage 6"])
    for _ in range(2):
        assert table(exp, "--report", exp / "report", "--command", "./run.sh --stage 7").returncode == 0
    shown = "```sh\n./run.sh --stop_stage 6\n./run.sh --stage 7\n```"
    assert shown in (exp / "report" / "RESULTS.md").read_text()
    assert remembered(exp) == ["./run.sh --stop_stage 6", "./run.sh --stage 7"]


def test_json(exp):
    values = json.loads(table(exp, "--json").stdout)
    assert (values["extreme"], values["best"], len(values["rounds"])) == (2, 1, 3)
    assert values["test_wer"]["extreme"] == {"test": 11.0}


def test_another_dev_set(exp):
    assert json.loads(table(exp, "--json", "--dev", "test").stdout)["tests"] == ["dev"]


def test_errors_are_one_line(exp, tmp_path):
    for arguments, fault in (
        ([tmp_path / "none"], "no round recorded"),
        ([exp, "--inference_tag", "beam"], "no scores of inference 'beam'"),
        ([exp, "--format", "html"], "invalid choice"),
    ):
        done = table(*arguments)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert fault in done.stderr
