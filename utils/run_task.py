#!/usr/bin/env python3
"""What a cluster's job script starts on a node: run_task.py SPEC NUMBER runs one job of the array that SPEC describes.

SPEC is a JSON file, so that no shell ever reads the words of a command, the names of folders or of logs.
"""

import json
import os
import sys
from pathlib import Path

from run_jobs import Call, Runner


def main(spec: str, number: str) -> int:
    """Run it, with its log; its exit status also goes to the file status.JOB beside SPEC, whole or not at all."""
    folder, values = Path(spec).resolve().parent, json.loads(Path(spec).read_text(encoding="utf-8"))
    job = values["members"][int(number) - 1]
    os.chdir(values["cwd"])
    log, command = Call({}, values["name"], range(0), values["log"], values["command"]).place(job)
    status = Runner().once(log, command, "w" if values["attempt"] == 1 else "a")
    temporary = folder / f".status.{job}"
    with open(temporary, "w", encoding="utf-8") as stream:
        stream.write(f"{status}\n")
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, folder / f"status.{job}")
    return 1 if status else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
