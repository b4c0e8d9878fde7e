"""Run the cells of a grid, n at a time; a failed one stops only those that need it."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from audio_lottery.grid.cells import Cell
from audio_lottery.grid.state import State

POLL = 0.5  # seconds


@dataclass
class Running:
    """A cell under way; ``process`` is None when an earlier grid, since killed, started it."""

    cell: Cell
    began: float
    process: subprocess.Popen | None = None
    lock: IO | None = None
    errors: IO | None = None


@dataclass
class Grid:
    """Cells in an order in which each comes after what it needs, and where each stands.

    starter: the words of a job starter that is called as ``starter LOG PROGRAM ARGUMENTS`` and ends with the
    program. tell: is called with a cell and what became of it; look: at every turn.
    """

    cells: Sequence[Cell]
    state: State
    starter: Sequence[str]
    at_once: int
    tell: Callable[[Cell, str], None]
    look: Callable[["Grid"], None]
    running: dict[str, Running] = field(default_factory=dict)
    done: set[str] = field(default_factory=set)
    failed: dict[str, str] = field(default_factory=dict)

    def run(self) -> None:
        """Until nothing can be started any more. When this is interrupted, so are the cells."""
        self.done = {cell.name for cell in self.cells if self.state.done(cell)}
        waiting = [cell for cell in self.cells if cell.name not in self.done]
        try:
            while waiting or self.running:
                waiting = [cell for cell in waiting if not self._begin(cell)]
                self.look(self)
                time.sleep(POLL)
                for one in list(self.running.values()):
                    self._end(one, waiting)
        finally:
            self._stop()

    def _begin(self, cell: Cell) -> bool:
        """Start a cell when its turn has come; whether it waits no longer."""
        if broken := [need for need in cell.needs if need in self.failed]:
            self.failed[cell.name] = f"not started: needs {', '.join(broken)}"
            self.tell(cell, self.failed[cell.name])
            return True
        if len(self.running) >= self.at_once or not self.done.issuperset(cell.needs):
            return False
        lock = self.state.hold(cell)
        one = self.running[cell.name] = Running(cell, time.monotonic(), lock=lock)
        if lock is None:
            self.tell(cell, "still runs, since an earlier grid started it")
            return True
        self.state.forget(cell)
        # A session of its own, so that all of it can be ended; the lock is let go when all of it has ended.
        one.errors = tempfile.TemporaryFile("w+")
        one.process = subprocess.Popen(
            [*self.starter, str(self.state.log(cell).resolve()), *cell.command], cwd=cell.recipe, env=environment(),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=one.errors, start_new_session=True,
            pass_fds=[lock.fileno()])
        self.tell(cell, "started")
        return True

    def _end(self, one: Running, waiting: list[Cell]) -> None:
        if one.process is None:
            if not self.state.running(one.cell):
                del self.running[one.cell.name]
                waiting.insert(0, one.cell)  # called again: what it finished is skipped
            return
        status = one.process.poll()
        if status is None:
            return
        del self.running[one.cell.name]
        one.lock.close()
        seconds = time.monotonic() - one.began
        self.state.record(one.cell, status, seconds)
        if status == 0:
            self.done.add(one.cell.name)
            self.tell(one.cell, f"done in {clock(seconds)}")
        else:
            one.errors.seek(0)  # the starter's last word says why
            self.failed[one.cell.name] = (one.errors.read().splitlines() or [f"failed with status {status}"])[-1]
            self.tell(one.cell, self.failed[one.cell.name])
        one.errors.close()

    def _stop(self) -> None:
        for one in self.running.values():
            if one.process is not None:
                os.killpg(one.process.pid, signal.SIGTERM)
        for one in self.running.values():
            if one.process is not None:
                one.process.wait()


def environment() -> dict[str, str]:
    """Of the cells: their own jobs run beside them, on the machine that they were given."""
    return {**os.environ, "AUDIO_LOTTERY_CMD": "local"}


def clock(seconds: float) -> str:
    """Hours, minutes and seconds."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"


def starters() -> Path:
    """The folder of the toolkit's job starters."""
    return Path(__file__).resolve().parents[2] / "utils"
