"""What the engine's benchmarks share: interleaved medians, the processor's name, the table."""

import datetime
import importlib.metadata
import json
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from audio_lottery.engine import backend

PACKAGES = ("torch", "onnxruntime", "openvino", "espnet", "numpy")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


SETTLE = 0.005  # seconds


def race(
    contestants: dict[str, Callable[[], object]], turns: int, clock: str = "wall", threads: int = 1
) -> dict[str, float]:
    """Median seconds of each, by name, all running in turn, so that a slow moment of the machine hits everybody.

    clock: ``wall``, or ``cpu`` (for one thread on a machine that others keep busy)
    threads: of each contestant. With several, everybody has a pause, in which the threads of the one before stop
    spinning for more work, and then calls that are not timed, which wake its own
    """
    now, times = CLOCKS[clock], {name: [] for name in contestants}
    for function in contestants.values():
        function()
    for _ in range(turns):
        for name, function in contestants.items():
            if threads > 1:
                time.sleep(SETTLE)
                ready = time.perf_counter() + SETTLE
                while time.perf_counter() < ready:
                    function()
            began = now()
            function()
            times[name].append(now() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def processor() -> str:
    """The processor's name and the engine's instruction set."""
    name = next(iter(_cpuinfo("model name")), "")
    return f"{name or platform.processor()}, {backend.name()}"


def circumstances() -> dict:
    """What made a measurement: command, date, processor, what instructions it has, versions of the contestants."""
    has = set(" ".join(_cpuinfo("flags")).split())
    instructions = " ".join(one for one in INSTRUCTIONS if one in has) or platform.machine()
    there = {name for dist in importlib.metadata.distributions() if (name := dist.name) in PACKAGES}
    return {
        "command": shlex.join(["python", *_relative(sys.argv)]),
        "date": datetime.date.today().isoformat(),
        "processor": f"{processor()}, {len(os.sched_getaffinity(0))} cores",
        "instruction set": f"processor has {instructions}",
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES if name in there},
    }


def _cpuinfo(key: str) -> list[str]:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.partition(":")[2].strip() for line in lines if line.startswith(key)][:1]


def _relative(words: list[str]) -> list[str]:
    """The command's words; of a path from the root only the name, since the rest says nothing to others."""
    return [f"benchmarks/{Path(words[0]).name}", *(
        Path(word).name if Path(word).is_absolute() else word for word in words[1:])]  # fmt: skip


def report(rows: list[dict], **about) -> None:
    """A table, then everything as one JSON line."""
    made = circumstances()
    print(", ".join([made["processor"], *(f"{key} {value}" for key, value in about.items())]))
    columns = list(dict.fromkeys(key for row in rows for key in row))
    cells = [[f"{row[key]:.3g}" if isinstance(row.get(key), float) else str(row.get(key, "-")) for key in columns]
             for row in rows]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in (columns, *cells):
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    print(json.dumps(made | about | {"rows": rows}))
