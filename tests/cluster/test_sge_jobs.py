"""Job arrays for Grid Engine, by stand-ins for qsub, qstat and qdel.

Debian has no Grid Engine any more, so this is no proof on the real one: the stand-in qsub reads its command line as
the manual page has it, refuses what it doesn't know, and really runs the job script, once for each task.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

UTILS = Path(__file__).resolve().parents[2] / "utils"
QSUB = """#!{python}
import argparse, os, subprocess, sys
parser = argparse.ArgumentParser(prefix_chars="-", allow_abbrev=False)
for flag in ("-V", "-terse"):
    parser.add_argument(flag, action="store_true", required=True)
for name in ("-S", "-wd", "-o", "-t"):
    parser.add_argument(name, required=True)
parser.add_argument("-j", choices=["y"], required=True)
parser.add_argument("-tc", type=int)
parser.add_argument("-l", action="append", default=[])
parser.add_argument("-pe", nargs=2)
parser.add_argument("-q")
parser.add_argument("script")
args = parser.parse_args()
if args.q == "none":
    sys.exit('Unable to run job: Job was rejected because job requests unknown queue "none".')
open("{folder}/qsub.called", "a").write(" ".join(sys.argv[1:-1]) + "\\n")
first, last = map(int, args.t.split("-"))
runs = '''import os, subprocess
for task in range(%d, %d):
    with open(os.path.join(%r, %r.replace("$TASK_ID", str(task))), "a") as said:
        subprocess.run([%r, %r], cwd=%r, env=dict(os.environ, SGE_TASK_ID=str(task)), stdin=subprocess.DEVNULL,
                       stdout=said, stderr=said)
''' % (first, last + 1, args.wd, args.o, args.S, args.script, args.wd)
process = subprocess.Popen([sys.executable, "-c", runs], start_new_session=True,
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(f"{{process.pid}}.{{args.t}}:1")
"""
QSTAT = """#!/bin/sh
kill -0 "$2" 2>/dev/null && { grep -q '^State:.Z' "/proc/$2/status" || exit 0; }
echo "Following jobs do not exist: $2" >&2; exit 1
"""


@pytest.fixture
def run(tmp_path):
    """Call sge_jobs.py with the stand-ins, in a folder whose name a shell would misread."""
    folder = tmp_path / "it's $(touch bad) here"
    programs = tmp_path / "bin"
    for place in (folder, programs):
        place.mkdir()
    qsub = QSUB.format(python=sys.executable, folder=tmp_path)
    for name, text in (("qsub", qsub), ("qstat", QSTAT), ("qdel", "#!/bin/sh\nkill -- \"-$1\"\n")):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "AUDIO_LOTTERY_POLL": "0.2"}

    def call(*argv: object) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, UTILS / "sge_jobs.py", *map(str, argv)], cwd=folder, env=env,
                              capture_output=True, text=True)

    call.folder, call.called = folder, tmp_path / "qsub.called"
    return call


def test_the_script_runs_each_job_with_its_words_as_they_are(run):
    odd = ["a  b", "$(touch bad)", "; touch bad", "*", "", "it's \"so\"", "a\nb", "-n"]
    script = "import os, sys; print(os.environ['SGE_TASK_ID'], 'part_JOB', sys.argv[1:], os.getcwd())"
    done = run("--mem", "4G", "--num_threads", 2, "--gpu", 1, "--max_jobs", 2, "JOB=3:4", "lo g/$(x).JOB.log",
               sys.executable, "-c", script, *odd)
    assert done.returncode == 0, done.stderr
    for member, job in enumerate((3, 4), 1):
        lines = (run.folder / f"lo g/$(x).{job}.log").read_text()
        assert f"{member} part_{job} {odd} {run.folder}\n" in lines and ", status 0, " in lines
    assert not list(run.folder.rglob("bad"))
    called = run.called.read_text()
    assert "-V -pe smp 2 -l mem_free=4G,ram_free=4G -l gpu=1 -terse -S /bin/bash -wd " in called
    assert called.endswith(" -j y -o $TASK_ID.out -t 1-2 -tc 2\n")


def test_failed_and_lost_jobs_are_started_again_and_listed(run):
    script = "[ JOB != 2 ] || { [ -e once ] || { touch once; kill -9 $PPID; }; }; [ JOB != 3 ]"
    done = run("--retries", 1, "JOB=1:3", "x.JOB.log", "bash", "-c", script)
    assert done.returncode == 1
    assert "2 of 3 jobs failed, started again: 2 3" in done.stderr
    assert done.stderr.splitlines()[-1] == "sge_jobs: error: 1 of 3 jobs failed: see x.3.log"
    assert "it is gone: qacct -j " in (run.folder / "x.2.log").read_text()
    assert [line.split()[-1] for line in run.called.read_text().splitlines()] == ["1-3", "1-2"]


def test_what_qsub_refuses_is_one_line(run):
    done = run("--partition", "none", "x.log", "true")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("sge_jobs: error: qsub refused the job: Unable to run job: ")
