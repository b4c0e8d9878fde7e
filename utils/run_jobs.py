#!/usr/bin/env python3
"""Run a job array on this machine: run_jobs.py [--max_jobs N] [JOB=1:4] LOG PROGRAM ARGUMENTS...

JOB in the log's name and in the arguments becomes the job's number (any name may stand for JOB; it is
replaced where no letter touches it: x.JOB.log, part_JOB, --job JOB). At most N jobs run at a time (default:
one per core). Arguments reach the program as they are: no shell reads them again. A log holds the command,
its output, the times and the exit status. After a failure no further job is started.
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TAIL_LINES = 10


def parse(argv: list[str]) -> tuple[int, str | None, range, list[str]]:
    """Split the arguments into most jobs at a time, array name, job numbers, and [log, program, ...]."""
    if argv and argv[0] in ("-h", "--help"):
        print(__doc__)
        sys.exit(0)
    most = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if argv[:1] == ["--max_jobs"]:
        if len(argv) < 2 or not re.fullmatch(r"[1-9]\d*", argv[1]):
            raise ValueError("--max_jobs needs a positive number")
        most, argv = int(argv[1]), argv[2:]
    name, jobs = None, range(1, 2)
    array = re.fullmatch(r"([A-Za-z_]\w*)=(\d+)(?::(\d+))?", argv[0]) if argv else None
    if array:
        name, first, last = array[1], int(array[2]), int(array[3] or array[2])
        jobs, argv = range(first, last + 1), argv[1:]
        if not jobs:
            raise ValueError(f"{array[0]}: the last job comes before the first")
    if len(argv) < 2 or argv[0].startswith("-"):
        raise ValueError("expected [--max_jobs N] [JOB=1:N] LOG PROGRAM ARGUMENTS...")
    if len(jobs) > 1 and fill(name, 1)(argv[0]) == argv[0]:
        raise ValueError(f"{argv[0]}: the log's name must contain {name}, or the jobs share one log")
    return most, name, jobs, argv


def fill(name: str | None, job: int) -> Callable[[str], str]:
    """A function that puts the job's number where ``name`` stands without a letter beside it."""
    if name is None:
        return lambda text: text
    pattern = re.compile(rf"(?<![A-Za-z]){name}(?![A-Za-z])")
    return lambda text: pattern.sub(str(job), text)


class Runner:
    """Runs commands, each with its log, and can end those under way."""

    def __init__(self):
        self.lock = threading.Lock()
        self.running: set[subprocess.Popen] = set()
        self.stopped = False

    def run(self, log: Path, command: list[str]) -> int | None:
        """Run one command; return its exit status, or None when it was not started after a failure."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with self.lock:
            if self.stopped:
                return None
            with open(log, "w", encoding="utf-8") as stream:
                stream.write(f"# {shlex.join(command)}\n# started {now()}\n")
            begin = time.monotonic()
            try:
                with open(log, "ab") as stream:
                    # In the runner's own process group, so that whatever ends the group ends the jobs.
                    process = subprocess.Popen(
                        command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
                    )
            except OSError as error:
                self.stopped = True
                return end(log, f"{command[0]}: {error.strerror}", 127, begin)
            self.running.add(process)
        status = process.wait()
        with self.lock:
            self.running.discard(process)
            self.stopped = self.stopped or status != 0
        return end(log, "", status, begin)

    def stop(self) -> None:
        """Start nothing more and end what runs."""
        with self.lock:
            self.stopped = True
            for process in self.running:
                process.terminate()


def end(log: Path, message: str, status: int, begin: float) -> int:
    """Close a job's log and return the status."""
    with open(log, "a", encoding="utf-8") as stream:
        stream.write(f"{message}\n" if message else "")
        stream.write(f"# ended {now()}, status {status}, {time.monotonic() - begin:.0f} s\n")
    return status


def now() -> str:
    """The local time, to the second."""
    return time.strftime("%Y-%m-%d %H:%M:%S")


def report(results: dict[Path, int | None]) -> int:
    """Print what failed, with the tails of the logs; return the exit status of the whole."""
    failed = [log for log, status in results.items() if status not in (0, None)]
    if not failed:
        return 0
    for log in failed:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        print(f"---- {log}", *lines[-TAIL_LINES:], sep="\n", file=sys.stderr)
    skipped = sum(status is None for status in results.values())
    left = f", {skipped} not started" if skipped else ""
    print(f"run_jobs: error: {len(failed)} of {len(results)} jobs failed{left}: see "
          + " ".join(map(str, failed)), file=sys.stderr)
    return 1


def main(argv: list[str]) -> int:
    """Run the array; return 0 when every job ended with status 0."""
    try:
        most, name, jobs, (log, *command) = parse(argv)
    except ValueError as error:
        print(f"run_jobs: error: {error}", file=sys.stderr)
        return 1
    runner = Runner()

    def interrupted(number: int, _frame) -> None:
        threading.Thread(target=runner.stop).start()  # the handler itself may hold the lock
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    with ThreadPoolExecutor(max_workers=min(most, len(jobs))) as pool:
        futures = {}
        for job in jobs:
            place = fill(name, job)
            futures[Path(place(log))] = pool.submit(runner.run, Path(place(log)), list(map(place, command)))
        return report({path: future.result() for path, future in futures.items()})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
