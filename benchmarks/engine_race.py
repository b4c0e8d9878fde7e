"""What the engine's benchmarks share: interleaved medians, the processor's name, the table."""

import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from audio_lottery.engine import backend

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def race(contestants: dict[str, Callable[[], object]], turns: int, clock: str = "wall") -> dict[str, float]:
    """Median seconds of each, all running in turn, so that a slow moment of the machine hits everybody.

    clock: ``wall``, or ``cpu`` (for one thread on a machine that others keep busy)
    """
    now, times = CLOCKS[clock], {name: [] for name in contestants}
    for function in contestants.values():
        function()
    for _ in range(turns):
        for name, function in contestants.items():
            began = now()
            function()
            times[name].append(now() - began)
    return {name: statistics.median(values) for name, values in times.items()}


def processor() -> str:
    """The processor's name and the engine's instruction set."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{name or platform.processor()}, {backend.name()}"


def report(rows: list[dict], **about) -> None:
    """A table, then everything as one JSON line."""
    print(", ".join([processor(), *(f"{key} {value}" for key, value in about.items())]))
    columns = list(rows[0])
    cells = [[f"{row[key]:.3g}" if isinstance(row[key], float) else str(row[key]) for key in columns] for row in rows]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for line in (columns, *cells):
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    print(json.dumps({"processor": processor(), **about, "rows": rows}))
