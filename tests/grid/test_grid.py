"""Grids that really run: the calls are of a small run.sh that trains nothing."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN = """#!/usr/bin/env bash
set -euo pipefail
asr_tag= dense_model= lottery_args= wait= fail= help_message=x
. "$ROOT/utils/parse_options.sh"
exp=exp/$asr_tag
mkdir -p "$exp"
echo "$lottery_args" >> "$exp/calls"
echo "round_01: epoch 1/2"
while [ -n "$wait" ] && [ ! -e go ]; do sleep 0.1; done
[ -z "$fail" ] || { echo "it broke" >&2; exit 3; }
row() { echo "{\\"round\\": $1, \\"density_whole\\": $2, \\"density_scope\\": $2, \\"seed\\": ${asr_tag:6:1}, \\
  \\"steps\\": 9, \\"search_steps\\": 9, \\"scores\\": {\\"asr\\": {\\"test\\": {\\"wer\\": $3}}}}"; }
[[ $asr_tag = *_dense ]] || { row 0 1.0 0.1; row 1 0.5 0.2; } > "$exp/rounds.jsonl"
"""


@pytest.fixture
def recipe(tmp_path) -> Path:
    folder = tmp_path / "a recipe"
    folder.mkdir()
    (folder / "run.sh").write_text(RUN)
    (folder / "run.sh").chmod(0o755)
    return folder


def write(recipe: Path, methods: dict, options: dict | None = None) -> None:
    grid = {"options": options, "axes": {"seed": [0, 1], "method": methods}}
    (recipe / "g.yaml").write_text(json.dumps(grid))


def start(recipe: Path, *argv: str) -> subprocess.Popen:
    env = {**os.environ, "ROOT": str(ROOT), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-m", "audio_lottery.bin.grid", "g.yaml", *argv], cwd=recipe, env=env,
                            text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            # Interrupts are ignored where the tests run in the background of a shell.
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))


def run(recipe: Path, *argv: str) -> tuple[int, str, str]:
    process = start(recipe, *argv)
    printed, errors = process.communicate(timeout=1200)
    return process.returncode, printed, errors


def calls(recipe: Path) -> dict[str, list[str]]:
    return {path.parent.name: path.read_text().splitlines() for path in recipe.glob("exp/g/*/calls")}


def until(condition) -> None:
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("waited for too long")


METHODS = {"dense": None, "imp": {"dense_model": "{exp:dense}/round_00"}, "random_ticket": {"after": "imp"}}


def test_a_grid_runs_once_and_collects_one_table(recipe):
    write(recipe, METHODS, {"lottery_args": "$(touch bad) it's; *"})
    status, printed, errors = run(recipe, "--jobs", "2")
    assert (status, errors) == (0, "")
    assert "6 of 6 done, 0 failed" in printed and re.search(r"seed1_random_ticket: done in \d:\d\d:\d\d", printed)
    table = (recipe / "exp/g/compare.md").read_text()
    assert table.partition("\n\n!")[0] in printed
    assert "| imp | 1 | 2 | 50.0 |" in table and "| random_ticket | 1 | 2 |" in table
    assert calls(recipe) == dict.fromkeys(calls(recipe), ["$(touch bad) it's; *"]) and len(calls(recipe)) == 6
    assert not (recipe / "bad").exists()
    log = (recipe / "exp/g/logs/seed0_imp.log").read_text()
    assert "--dense_model=exp/g/seed0_dense/round_00" in log and "status 0" in log

    status, printed, _ = run(recipe)  # nothing is left to do
    assert status == 0 and "started" not in printed and all(len(words) == 1 for words in calls(recipe).values())
    assert run(recipe, "--lottery_args", "other")[0] == 0  # another call is another result
    assert all(words[1:] == ["other"] for words in calls(recipe).values())


def test_a_failed_cell_stops_only_those_that_need_it(recipe):
    write(recipe, {**METHODS, "imp": {"fail": "yes"}, "gmp": None})
    status, printed, errors = run(recipe, "--jobs", "3")
    assert status == 1 and "4 of 8 done, 4 failed, 0 running, 0 waiting" in printed
    assert errors.count("\n") == 4
    for seed in (0, 1):
        assert f"error: seed{seed}_imp: run_jobs: error: 1 of 1 jobs failed: see " in errors
        assert f"error: seed{seed}_random_ticket: not started: needs seed{seed}_imp" in errors
    assert "it broke" in (recipe / "exp/g/logs/seed0_imp.log").read_text()
    assert "| gmp | 1 | 2 |" in (recipe / "exp/g/compare.md").read_text()
    write(recipe, {**METHODS, "gmp": None})  # mended: only what failed runs again
    assert run(recipe, "--jobs", "3")[0] == 0
    assert {name: len(words) for name, words in calls(recipe).items() if "gmp" in name or "dense" in name} == {
        f"seed{seed}_{name}": 1 for seed in (0, 1) for name in ("dense", "gmp")}


def test_a_killed_grid_goes_on_and_starts_nothing_twice(recipe):
    write(recipe, {"imp": {"wait": "yes"}, "gmp": {"after": "imp"}})
    first = start(recipe, "--jobs", "2")
    until(lambda: len(calls(recipe)) == 2)
    first.kill()
    first.wait()
    second = start(recipe, "--jobs", "2")
    until(lambda: (recipe / "exp/g/.lock").exists())
    assert "still runs, since an earlier grid started it" in second.stdout.readline()
    assert len(calls(recipe)) == 2 and len(calls(recipe)["seed0_imp"]) == 1
    (recipe / "go").touch()
    printed, errors = second.communicate(timeout=1200)
    assert second.returncode == 0 and "4 of 4 done" in printed, errors


def test_a_second_grid_in_the_folder_is_refused_and_status_shows_the_first(recipe):
    write(recipe, {"imp": {"wait": "yes"}})
    first = start(recipe)
    until(lambda: len(calls(recipe)) == 1)
    status, printed, errors = run(recipe)
    assert (status, printed) == (1, "") and errors.count("\n") == 1
    assert "exp/g: another grid is running here" in errors
    status, printed, _ = run(recipe, "--status")
    assert [line.split(None, 1) for line in printed.splitlines()] == [
        ["seed0_imp", "running: round_01: epoch 1/2"], ["seed1_imp", "waiting"]]
    (recipe / "go").touch()
    assert first.wait(timeout=1200) == 0


def test_a_dry_run_shows_calls_that_a_shell_takes(recipe):
    write(recipe, {"random_ticket": {"after": "imp"}, "imp": None}, {"lottery_args": "$(touch bad) it's; *"})
    status, printed, errors = run(recipe, "--dry_run")
    assert (status, errors) == (0, "") and not (recipe / "exp").exists()
    assert printed.splitlines()[::2] == ["# seed0_imp", "# seed0_random_ticket, after seed0_imp", "# seed1_imp",
                                         "# seed1_random_ticket, after seed1_imp"]
    done = subprocess.run(["bash", "-c", printed], env={**os.environ, "ROOT": str(ROOT)}, capture_output=True)
    assert done.returncode == 0 and calls(recipe)["seed1_imp"] == ["$(touch bad) it's; *"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ending_a_grid_ends_its_cells(recipe, number):
    write(recipe, {"imp": {"wait": "yes"}})
    grid = start(recipe, "--jobs", "2")
    until(lambda: len(calls(recipe)) == 2)
    grid.send_signal(number)
    _, errors = grid.communicate(timeout=1200)
    assert grid.returncode == 130 and "start it again to continue" in errors
    (recipe / "go").touch()
    status, printed, _ = run(recipe)
    assert status == 0 and "still runs" not in printed
    assert [len(words) for words in calls(recipe).values()] == [2, 2]


@pytest.mark.parametrize("argv, named", [
    (["--cmd", "no_such_starter.py"], "--cmd no_such_starter.py: no such program"),
    (["--jobs", "0"], "--jobs"),
    (["--nj"], "--nj: no option of run.sh with a value"),
    (["words"], "words: no option of run.sh"),
    (["--recipe", "elsewhere"], "no run.sh in "),
])
def test_bad_calls_are_one_line(recipe, argv, named):
    write(recipe, METHODS)
    status, printed, errors = run(recipe, *argv)
    assert (status, printed) == (1, "") and errors.count("\n") == 1 and named in errors
    assert not (recipe / "exp").exists()
