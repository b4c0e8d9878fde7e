"""Live progress of a grid: one line that is rewritten on a terminal; elsewhere a line for what changes."""

import shutil
import sys
import time

from audio_lottery.grid.cells import Cell
from audio_lottery.grid.run import Grid

PATIENCE = 60  # seconds between lines of what runs, where lines stay


class Progress:
    """Tells of starts, ends, and the last line of what runs."""

    def __init__(self, total: int):
        self.total, self.said, self.shown = total, {}, time.monotonic()
        self.live = sys.stdout.isatty()

    def tell(self, cell: Cell, text: str) -> None:
        """A line that stays."""
        print(f"{self._clear()}{time.strftime('%T')} {cell.name}: {text}", flush=True)

    def look(self, grid: Grid) -> None:
        """Where everything stands."""
        now = {name: grid.state.says(one.cell) for name, one in grid.running.items()}
        if self.live:
            text = f"{self._counts(grid)} | " + " | ".join(f"{name}: {line}" for name, line in now.items())
            print(f"{self._clear()}{text[:shutil.get_terminal_size().columns - 1]}", end="", flush=True)
        elif time.monotonic() - self.shown >= PATIENCE:
            for name, line in now.items():
                if line and self.said.get(name) != line:
                    print(f"{time.strftime('%T')} {name}: {line}")
            print(f"{time.strftime('%T')} {self._counts(grid)}", flush=True)
            self.said, self.shown = now, time.monotonic()

    def end(self, grid: Grid) -> None:
        """The last line."""
        print(f"{self._clear()}{time.strftime('%T')} {self._counts(grid)}", flush=True)

    def _counts(self, grid: Grid) -> str:
        return (f"{len(grid.done)} of {self.total} done, {len(grid.failed)} failed, {len(grid.running)} running, "
                f"{self.total - len(grid.done) - len(grid.failed) - len(grid.running)} waiting")

    def _clear(self) -> str:
        return "\r\033[K" if self.live else ""
