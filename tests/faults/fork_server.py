"""Runs jobs in forked processes and kills them (SIGKILL) at given moments: libraries are imported only once.

One JSON object a line comes in: ``{"job": name in jobs.py, "arguments": [...], "log": path, "kill": [n, s]}``; one
goes out: ``{"status": ..., "events": ...}``. A job counts what it asks of the file system (Python's audit events:
open to write, rename, remove, ...) and each optimiser step. Told to kill, the server waits until the job's event
number n, then s seconds more, and kills it: somewhere between two events or within a write, whatever runs then.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable

import jobs

FILES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "os.symlink", "os.link",
         "shutil.copyfile", "shutil.rmtree", "tempfile.mkstemp", "fcntl.flock", jobs.STEP}


def count_events(pipe: int, at: int | None) -> Callable[[], int]:
    """Count events from now on; a byte goes into the pipe at event number ``at``. Returns what tells the count."""
    seen = 0

    def hook(event: str, arguments: tuple) -> None:
        nonlocal seen
        # "open" comes with a path, a mode and flags: only what may write counts.
        if event in FILES or event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR):
            seen += 1
            if seen == at:
                os.write(pipe, b"!")

    sys.addaudithook(hook)
    return lambda: seen


def child(request: dict, pipe: int) -> None:
    """The job's process; ends with the job's status."""
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    kill = request.get("kill")
    status, counted = 1, count_events(pipe, kill[0] if kill else None)
    try:
        status = getattr(jobs, request["job"])(*request["arguments"]) or 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(pipe, f"{counted()}\n".encode())
        os._exit(status)


def serve(request: dict) -> dict:
    """Run one job to its end, or to its kill."""
    reader, writer = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reader)
        child(request, writer)
    os.close(writer)
    said = b""
    while piece := os.read(reader, 64):
        said += piece
        if said == b"!":
            # Until the moment comes, or the job has ended before it.
            delay = request["kill"][1]
            began = time.monotonic()
            select.select([reader], [], [], delay)
            time.sleep(max(0.0, delay - (time.monotonic() - began)))
            os.kill(pid, signal.SIGKILL)
    os.close(reader)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return {"status": status, "events": int(said.lstrip(b"!") or 0)}


if __name__ == "__main__":
    jobs.load(sys.argv[1:])
    for line in sys.stdin:
        print(json.dumps(serve(json.loads(line))), flush=True)
