"""The local job runner, with real programs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUNNER = Path(__file__).resolve().parents[1] / "utils/run_jobs.py"


def run(*argv: object) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, RUNNER, *map(str, argv)], capture_output=True, text=True)


def test_every_job_runs_once_with_its_own_log(tmp_path):
    done = run("JOB=1:4", tmp_path / "log dir/x.JOB.log", "echo", "part_JOB of 4", "JOBS")
    assert done.returncode == 0, done.stderr
    for job in range(1, 5):
        lines = (tmp_path / f"log dir/x.{job}.log").read_text().splitlines()
        assert lines[0] == f"# echo 'part_{job} of 4' JOBS"
        assert lines[1].startswith("# started ")
        assert lines[2] == f"part_{job} of 4 JOBS"
        assert ", status 0, " in lines[-1]


def test_arguments_are_not_read_by_a_shell(tmp_path):
    odd = ["a  b", "$(touch no)", "; touch no", "*", "", "it's \"so\"", "a\nb"]
    script = "import sys; print(sys.argv[1:])"
    done = run(tmp_path / "log", sys.executable, "-c", script, *odd)
    assert done.returncode == 0
    assert repr(odd) in (tmp_path / "log").read_text()


def test_failures_are_listed_with_tails_and_the_others_go_on(tmp_path):
    script = "echo in job JOB; [ JOB != 2 ] || exit 7"
    done = run("--max_jobs", 1, "JOB=1:4", tmp_path / "x.JOB.log", "bash", "-c", script)
    assert done.returncode == 1
    assert "in job 2" in done.stderr and "in job 1" not in done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"run_jobs: error: 1 of 4 jobs failed: see {tmp_path}/x.2.log")
    assert "status 7" in (tmp_path / "x.2.log").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"x.{job}.log" for job in (1, 2, 3, 4)]


def test_jobs_run_side_by_side_and_never_more_than_asked(tmp_path):
    # Each job waits until it sees another one: alone it would fail.
    script = f"touch {tmp_path}/JOB.up; for i in $(seq 6000); do [ $(ls {tmp_path}/*.up | wc -l) = 2 ] && exit; " \
        "sleep 0.1; done; exit 1"
    assert run("--max_jobs", 2, "JOB=1:2", tmp_path / "JOB.log", "bash", "-c", script).returncode == 0
    script = f"mkdir {tmp_path}/alone && sleep 0.1 && rmdir {tmp_path}/alone"
    assert run("--max_jobs", 1, "JOB=1:3", tmp_path / "JOB.log", "bash", "-c", script).returncode == 0


def test_missing_program(tmp_path):
    done = run("JOB=3", tmp_path / "x.JOB.log", "no-such-program")
    assert done.returncode == 1
    assert "no-such-program: No such file or directory" in done.stderr
    assert "status 127" in (tmp_path / "x.3.log").read_text()


def test_killed_job_is_a_failure(tmp_path):
    done = run(tmp_path / "log", "bash", "-c", "kill -9 $$")
    assert done.returncode == 1 and "status -9" in done.stderr


def test_terminating_the_runner_ends_its_jobs(tmp_path):
    process = subprocess.Popen([sys.executable, RUNNER, "--max_jobs", "1", "JOB=1:2", f"{tmp_path}/JOB.log",
                                "bash", "-c", f"echo $$ > {tmp_path}/pid; exec sleep 1000"])
    pid = tmp_path / "pid"
    while not (pid.exists() and pid.read_text().strip()):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=600) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert not (tmp_path / "2.log").exists()


@pytest.mark.parametrize("argv, named", [
    (["JOB=1:3", "x.log", "true"], "must contain JOB"),
    (["JOB=3:1", "x.JOB.log", "true"], "before the first"),
    (["x.log"], "expected"),
    ([], "expected"),
    (["--max_jobs", "0", "x.log", "true"], "positive number"),
    (["--speed", "2", "true"], "expected"),
])
def test_bad_calls_are_one_line(tmp_path, argv, named):
    done = subprocess.run([sys.executable, RUNNER, *argv], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("run_jobs: error: ") and done.stderr.count("\n") == 1
    assert named in done.stderr
    assert not list(tmp_path.iterdir())
