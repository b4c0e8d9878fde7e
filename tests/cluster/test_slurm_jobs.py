"""Job arrays through a real Slurm: one machine, started and stopped by the tests."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

UTILS = Path(__file__).resolve().parents[2] / "utils"


@pytest.fixture
def run(slurm, tmp_path):
    """Call slurm_jobs.py in a folder whose name a shell would misread."""
    folder = tmp_path / "it's $(touch bad) here"
    folder.mkdir()

    def call(*argv: object, wait: bool = True):
        words = [sys.executable, UTILS / "slurm_jobs.py", *map(str, argv)]
        how = {"cwd": folder, "env": slurm, "text": True, "stderr": subprocess.PIPE}
        return subprocess.run(words, **how) if wait else subprocess.Popen(words, **how)

    call.folder = folder
    return call


def until(condition):
    for _ in range(6000):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("waited for too long")


def queue(env) -> str:
    return subprocess.run(["squeue", "--noheader", "--array"], env=env, capture_output=True, text=True).stdout


def test_every_job_runs_on_a_node_with_its_own_log_and_words_as_they_are(run):
    odd = ["a  b", "$(touch bad)", "; touch bad", "*", "", "it's \"so\"", "a\nb", "-n"]
    script = "import os, sys; print(os.environ['SLURM_ARRAY_TASK_ID'], 'part_JOB', sys.argv[1:], os.getcwd())"
    done = run("--mem", "50M", "--num_threads", "2", "JOB=3:5", "lo g/$(x).JOB.log", sys.executable, "-c", script, *odd)
    assert done.returncode == 0, done.stderr
    for member, job in enumerate((3, 4, 5), 1):
        lines = (run.folder / f"lo g/$(x).{job}.log").read_text()
        assert f"{member} part_{job} {odd} {run.folder}\n" in lines and ", status 0, " in lines
    assert not list(run.folder.rglob("bad"))


def test_failed_members_are_started_again_and_what_fails_still_is_listed(run):
    script = "echo try JOB; [ JOB != 1 ] && [ JOB != 3 -o -e second.JOB ] || { touch second.JOB; exit 7; }"
    done = run("--retries", 1, "JOB=1:4", "x.JOB.log", "bash", "-c", script)
    assert done.returncode == 1
    assert "2 of 4 jobs failed, started again: 1 3" in done.stderr
    assert done.stderr.splitlines()[-1] == "slurm_jobs: error: 1 of 4 jobs failed: see x.1.log"
    tries = [(run.folder / f"x.{job}.log").read_text().count("\ntry ") for job in range(1, 5)]
    assert tries == [2, 1, 2, 1]


def test_a_lost_member_is_told_and_started_again(run):
    """Killed with the script that runs it, as when a node dies: nobody writes a status."""
    script = "[ -e again ] || { touch again; kill -9 $PPID; sleep 600; }"
    done = run("--retries", 1, "JOB=1:1", "x.JOB.log", "bash", "-c", script)
    assert done.returncode == 0, done.stderr
    assert ", member 1: FAILED, reason " in (run.folder / "x.1.log").read_text()


def test_a_killed_call_waits_on_for_what_it_submitted(run):
    script = "echo JOB >> ran; while [ ! -e go ]; do sleep 0.1; done"
    words = ("JOB=1:2", "x.JOB.log", "bash", "-c", script)
    first = run(*words, wait=False)
    until(lambda: (run.folder / "ran").exists() and len((run.folder / "ran").read_text().split()) == 2)
    first.kill()
    first.wait()
    second = run(*words, wait=False)
    (run.folder / "go").touch()
    errors = second.communicate()[1]
    assert second.returncode == 0 and "submitted before: waiting for it" in errors
    assert sorted((run.folder / "ran").read_text().split()) == ["1", "2"]
    assert run("JOB=1:2", "x.JOB.log", "true").returncode == 0  # other jobs begin anew


def test_terminating_the_call_ends_its_jobs(run, slurm):
    call = run("JOB=1:3", "x.JOB.log", "bash", "-c", "touch up.JOB; sleep 1000", wait=False)
    until(lambda: len(list(run.folder.glob("up.*"))) == 3)
    call.send_signal(signal.SIGTERM)
    assert call.wait(timeout=600) == 128 + signal.SIGTERM
    until(lambda: not queue(slurm))


def test_no_more_at_a_time_than_asked(run):
    script = "mkdir alone && sleep 0.3 && rmdir alone"
    assert run("--max_jobs", 1, "JOB=1:3", "x.JOB.log", "bash", "-c", script).returncode == 0


@pytest.mark.parametrize("argv, named", [
    (["--partition", "no where", "x.log", "true"], "refused the job: sbatch: error: invalid partition"),
    (["--speed", "2", "x.log", "true"], "conf/slurm.conf has no 'option speed=2', nor 'option speed=*'"),
    (["--config", "none.conf", "x.log", "true"], "--config none.conf: no such file"),
    (["--retries", "-1", "x.log", "true"], "--retries needs a number"),
    (["JOB=1:2", "x.log", "true"], "must contain JOB"),
])
def test_bad_calls_are_one_line(run, argv, named):
    done = run(*argv)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("slurm_jobs: error: ") and named in done.stderr


def test_a_grid_runs_through_slurm(slurm, tmp_path):
    recipe = tmp_path / "a recipe"
    recipe.mkdir()
    (recipe / "run.sh").write_text("""#!/usr/bin/env bash
set -euo pipefail
lottery_conf='' asr_tag='' dense_model='' help_message=x
. "$UTILS/parse_options.sh"
echo "$SLURM_ARRAY_JOB_ID $AUDIO_LOTTERY_CMD $lottery_conf" > "$asr_tag.ran"
[[ $asr_tag != *seed1_imp ]]
""")
    (recipe / "run.sh").chmod(0o755)
    (recipe / "g").mkdir()
    axes = {"seed": [0, 1], "method": {"dense": None, "imp": {"dense_model": "{exp:dense}/round_00"},
                                       "random_ticket": {"after": "imp"}}}
    (recipe / "g.yaml").write_text(json.dumps({"options": {"lottery_conf": "$(touch bad).{method}"}, "axes": axes}))
    env = {**slurm, "UTILS": str(UTILS), "PYTHONPATH": str(UTILS.parent)}
    words = [sys.executable, "-m", "audio_lottery.bin.grid", "g.yaml", "--jobs", "3",
             "--cmd", "slurm_jobs.py --mem 60M"]
    done = subprocess.run(words, cwd=recipe, env=env, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert "4 of 6 done, 2 failed, 0 running, 0 waiting" in done.stdout
    assert "seed1_imp: slurm_jobs: error: 1 of 1 jobs failed: see " in done.stderr
    assert "seed1_random_ticket: not started: needs seed1_imp" in done.stderr
    ran = {path.stem: path.read_text().split(" ", 2) for path in (recipe / "g").glob("*.ran")}
    assert sorted(ran) == ["seed0_dense", "seed0_imp", "seed0_random_ticket", "seed1_dense", "seed1_imp"]
    assert len({job for job, *_ in ran.values()}) == 5  # each a job of its own, whose own jobs stay on its node
    assert {words[1] for words in ran.values()} == {"local"}
    assert ran["seed0_imp"][2] == "$(touch bad).imp\n" and not (recipe / "bad").exists()
