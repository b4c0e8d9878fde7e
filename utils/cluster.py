"""A job array on a cluster: submitted, waited for, its failed members submitted again; what slurm_jobs.py and
sge_jobs.py share.

Beside the logs, q/<log's name>/ holds what was submitted: spec.json, the job script, N.out (what the scheduler said of
member N) and status.JOB (how a job ended). A call that was killed while it waited finds its jobs there and waits on.
"""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from job_options import submission
from run_jobs import NUMBERS, Call, now, report, wanted

POLL = float(os.environ.get("AUDIO_LOTTERY_POLL", "5"))  # seconds between questions to the scheduler
PATIENCE = 3  # questions after which a job that has gone without a status file is lost; shared disks lag
UTILS = Path(__file__).resolve().parent


class Scheduler(Protocol):
    """A kind of cluster."""

    config: str  # its option file, looked for here, then in the toolkit
    index: str  # environment variable with the member's number

    def array(self, members: int, at_once: int | None, folder: Path) -> list[str]:
        """Words that make a submission an array of members 1 to ``members``, in this folder."""
        ...

    def waiting(self, job: str) -> set[int] | None:
        """Members that wait or run; None when the scheduler doesn't answer."""
        ...

    def fate(self, job: str, member: int) -> str:
        """Why a member ended without a status, in the scheduler's words."""
        ...

    def cancel(self, job: str) -> None:
        """End all members."""
        ...


class Array:
    """One call: its jobs, and the folder of what was submitted."""

    def __init__(self, call: Call, scheduler: Scheduler):
        self.call, self.scheduler = call, scheduler
        log = Path(call.log)
        self.folder = log.parent.resolve() / "q" / log.name
        given = {key: value for key, value in call.options.items() if key not in (*NUMBERS, "config")}
        self.words = submission(self._config(), given)
        self.spec = {"cwd": os.getcwd(), "name": call.name, "log": call.log, "command": call.command}
        self.job: str | None = None
        self.members: list[int] = []

    def run(self) -> int:
        """Submit, wait, submit what failed again; the exit status of the whole."""
        tries, left = 0, list(self.call.jobs)
        ended: dict[int, int] = {}
        if not self._attach():
            shutil.rmtree(self.folder, ignore_errors=True)
            self._submit(left, 1)
        while True:
            ended |= self._wait()
            self._file("submitted").unlink(missing_ok=True)
            left = [job for job in self.call.jobs if ended.get(job) != 0]
            if not left or tries == self.call.number("retries", 0):
                break
            tries += 1
            print(f"{now()} {len(left)} of {len(self.call.jobs)} jobs failed, started again: "
                  f"{' '.join(map(str, left))}", file=sys.stderr)
            self._submit(left, tries + 1)
        return report({self.call.place(job)[0]: ended.get(job, 1) for job in self.call.jobs})

    def cancel(self) -> None:
        """End what was submitted."""
        if self.job is not None:
            self.scheduler.cancel(self.job)
            self._file("submitted").unlink(missing_ok=True)

    def _config(self) -> Path:
        name = self.call.options.get("config", self.scheduler.config)
        found = [path for path in (Path(name), UTILS.parent / name) if path.is_file()]
        if not found:
            raise ValueError(f"--config {name}: no such file here, nor in {UTILS.parent}")
        return found[0]

    def _file(self, kind: str) -> Path:
        return self.folder / f"{kind}.json"

    def _attach(self) -> bool:
        """Go on waiting for what a killed call submitted."""
        if not self._file("submitted").exists():
            return False
        before = json.loads(self._file("spec").read_text(encoding="utf-8"))
        if {key: before.get(key) for key in self.spec} != self.spec:
            return False
        self.job, self.members = json.loads(self._file("submitted").read_text(encoding="utf-8")), before["members"]
        print(f"{now()} job {self.job}, submitted before: waiting for it", file=sys.stderr)
        return True

    def _submit(self, members: list[int], attempt: int) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for job in members:
            (self.folder / f"status.{job}").unlink(missing_ok=True)
        self.members = members
        values = {**self.spec, "members": members, "attempt": attempt}
        self._file("spec").write_text(json.dumps(values), encoding="utf-8")
        words = shlex.join([sys.executable, str(UTILS / "run_task.py"), str(self._file("spec"))])
        # The cluster shows a job under its script's name, which may not begin with a digit.
        script = self.folder / ("job_" + re.sub(r"[^A-Za-z0-9.-]", "_", Path(self.call.log).name))
        script.write_text(f'#!/bin/bash\nexec {words} "${self.scheduler.index}"\n', encoding="utf-8")
        at_once = self.call.options.get("max_jobs")
        array = self.scheduler.array(len(members), at_once and int(at_once), self.folder)
        done = subprocess.run([*self.words, *array, str(script)], capture_output=True, text=True, check=False)
        number = re.search(r"\d+", done.stdout)
        if done.returncode or not number:
            raise ValueError(f"{self.words[0]} refused the job: {' '.join((done.stderr or done.stdout).split())}")
        self.job = number[0]
        _replace(self._file("submitted"), json.dumps(self.job))

    def _wait(self) -> dict[int, int]:
        """Job -> exit status, when all have ended; of one that is lost 1, with the reason in its log."""
        ended: dict[int, int] = {}
        gone = dict.fromkeys(self.members, 0)
        while True:
            waiting = self.scheduler.waiting(self.job)
            for member, job in enumerate(self.members, 1):
                status = self.folder / f"status.{job}"
                if status.exists():
                    ended[job] = int(status.read_text())
                elif waiting is not None and job not in ended:
                    gone[job] = 0 if member in waiting else gone[job] + 1
                    if gone[job] >= PATIENCE:
                        ended[job] = self._lost(member, job)
            if len(ended) == len(self.members):
                return ended
            time.sleep(POLL)

    def _lost(self, member: int, job: int) -> int:
        log = self.call.place(job)[0]
        log.parent.mkdir(parents=True, exist_ok=True)
        said = self.folder / f"{member}.out"
        lines = said.read_text(encoding="utf-8", errors="replace").splitlines() if said.exists() else []
        with open(log, "a", encoding="utf-8") as stream:
            stream.writelines(f"{line}\n" for line in lines[-3:])
            stream.write(f"# lost {now()}: job {self.job}, member {member}: {self.scheduler.fate(self.job, member)}\n")
        return 1


def main(argv: Sequence[str], doc: str, scheduler: Scheduler) -> int:
    """Run a call through a cluster. Ended by a signal, it ends its jobs."""
    call = wanted(argv, doc, known=None)

    def interrupted(number: int, _frame) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    array = None
    try:
        array = Array(call, scheduler)
        return array.run()
    except SystemExit:
        if array is not None:
            array.cancel()
        raise
    except (ValueError, OSError) as error:
        print(f"{Path(sys.argv[0]).stem}: error: {error}", file=sys.stderr)
        return 1


def ask(*words: str) -> subprocess.CompletedProcess:
    """Call one of the scheduler's programs."""
    return subprocess.run(words, capture_output=True, text=True, check=False)


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
