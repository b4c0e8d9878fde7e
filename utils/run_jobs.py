#!/usr/bin/env python3
"""Run a job array on this machine: run_jobs.py [--option VALUE ...] [JOB=1:4] LOG PROGRAM ARGUMENTS...

JOB in the log's name and in the arguments becomes the job's number (any name may stand for JOB; it is
replaced where no letter touches it: x.JOB.log, part_JOB, --job JOB). Arguments reach the program as they are: no
shell reads them again. A log holds the command, its output, the times and the exit status. Options:

--max_jobs N   jobs that run at a time, at most [one per core]
--retries N    start a job that failed so many times again [0]; the others go on in any case
--config, --gpu, --mem, --time, --num_threads, --partition   are for clusters and do nothing here
"""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

TAIL_LINES = 10
NUMBERS = {"max_jobs": 1, "retries": 0}  # option -> least value
IGNORED = ("config", "gpu", "mem", "time", "num_threads", "partition")
EXPECTED = "[--option VALUE ...] [JOB=1:N] LOG PROGRAM ARGUMENTS..."


@dataclass(frozen=True)
class Call:
    """What to run. name: the word that stands for the job's number, None without an array."""

    options: dict[str, str]
    name: str | None
    jobs: range
    log: str
    command: list[str]

    def place(self, job: int) -> tuple[Path, list[str]]:
        """The log and the command of a job."""
        put = fill(self.name, job)
        return Path(put(self.log)), list(map(put, self.command))

    def number(self, option: str, default: int) -> int:
        """An option that is a whole number."""
        return int(self.options.get(option, default))


def parse(argv: Sequence[str], known: Sequence[str] | None = (*NUMBERS, *IGNORED)) -> Call:
    """Read the arguments; options are those ``known``, or any (None). Raises ValueError."""
    options, name, jobs, argv = {}, None, range(1, 2), list(argv)
    while argv and argv[0].startswith("--"):
        option = argv.pop(0).removeprefix("--").replace("-", "_")
        if known is not None and option not in known or not argv:
            raise ValueError(f"--{option}: no such option with a value: expected {EXPECTED}")
        options[option] = argv.pop(0)
        least = NUMBERS.get(option, 0)
        if option in NUMBERS and not (options[option].isdecimal() and int(options[option]) >= least):
            raise ValueError(f"--{option} needs a {'positive ' if least else ''}number")
    array = re.fullmatch(r"([A-Za-z_]\w*)=(\d+)(?::(\d+))?", argv[0]) if argv else None
    if array:
        name, first, last = array[1], int(array[2]), int(array[3] or array[2])
        jobs, argv = range(first, last + 1), argv[1:]
        if not jobs:
            raise ValueError(f"{array[0]}: the last job comes before the first")
    if len(argv) < 2 or argv[0].startswith("-"):
        raise ValueError(f"expected {EXPECTED}")
    if len(jobs) > 1 and fill(name, 1)(argv[0]) == argv[0]:
        raise ValueError(f"{argv[0]}: the log's name must contain {name}, or the jobs share one log")
    return Call(options, name, jobs, argv[0], argv[1:])


def wanted(argv: Sequence[str], doc: str, known: Sequence[str] | None = (*NUMBERS, *IGNORED)) -> Call:
    """The call, or the end of the program: help, or one line of what is wrong."""
    if argv and argv[0] in ("-h", "--help"):
        print(doc)
        sys.exit(0)
    try:
        return parse(argv, known)
    except ValueError as error:
        print(f"{Path(sys.argv[0]).stem}: error: {error}", file=sys.stderr)
        sys.exit(1)


def fill(name: str | None, job: int) -> Callable[[str], str]:
    """A function that puts the job's number where ``name`` stands without a letter beside it."""
    if name is None:
        return lambda text: text
    pattern = re.compile(rf"(?<![A-Za-z]){name}(?![A-Za-z])")
    return lambda text: pattern.sub(str(job), text)


class Runner:
    """Runs commands, each with its log, and can end those under way."""

    def __init__(self, retries: int = 0):
        self.retries = retries
        self.lock = threading.Lock()
        self.running: set[subprocess.Popen] = set()
        self.stopped = False

    def run(self, log: Path, command: list[str]) -> int | None:
        """Run one command, again where it may be; its exit status, or None after stop()."""
        status, tries = self.once(log, command, "w"), 0
        while status and tries < self.retries and not self.stopped:
            tries += 1
            status = self.once(log, command, "a")
        return status

    def once(self, log: Path, command: list[str], mode: str) -> int | None:
        """Run one command; ``mode``: begin its log (w) or go on with it (a)."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with self.lock:
            if self.stopped:
                return None
            with open(log, mode, encoding="utf-8") as stream:
                stream.write(f"# {shlex.join(command)}\n# started {now()}\n")
            begin = time.monotonic()
            try:
                with open(log, "ab") as stream:
                    # In the runner's own process group, so that whatever ends the group ends the jobs.
                    process = subprocess.Popen(
                        command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream
                    )
            except OSError as error:
                return end(log, f"{command[0]}: {error.strerror}", 127, begin)
            self.running.add(process)
        status = process.wait()
        with self.lock:
            self.running.discard(process)
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
    print(f"{Path(sys.argv[0]).stem}: error: {len(failed)} of {len(results)} jobs failed: see "
          + " ".join(map(str, failed)), file=sys.stderr)
    return 1


def main(argv: list[str]) -> int:
    """Run the array; return 0 when every job ended with status 0."""
    call = wanted(argv, __doc__)
    runner = Runner(call.number("retries", 0))

    def interrupted(number: int, _frame) -> None:
        threading.Thread(target=runner.stop).start()  # the handler itself may hold the lock
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGINT, interrupted)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    places = [call.place(job) for job in call.jobs]
    with ThreadPoolExecutor(max_workers=min(call.number("max_jobs", cores), len(places))) as pool:
        futures = {log: pool.submit(runner.run, log, command) for log, command in places}
        return report({log: future.result() for log, future in futures.items()})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
