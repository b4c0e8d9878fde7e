"""What a grid's folder keeps: of each cell how its last call ended, its log, and a lock while it runs."""

import re
import time
from pathlib import Path
from typing import IO

from audio_lottery.fileio import read_json, write_json
from audio_lottery.grid.cells import Cell
from audio_lottery.lock import hold

TAIL = 4096  # bytes of a log that are looked at for its last line


class State:
    """The folder of a grid: state/CELL.json, logs/CELL.log."""

    def __init__(self, folder: Path):
        self.folder = folder

    def log(self, cell: Cell) -> Path:
        """Where the cell's output goes."""
        return self.folder / "logs" / f"{cell.name}.log"

    def ended(self, cell: Cell) -> dict | None:
        """status, seconds and time of the last call's end; None when none ended, or it was another call."""
        path = self._file(cell, "json")
        row = read_json(path) if path.exists() else None
        return row if row and row["command"] == cell.command else None

    def done(self, cell: Cell) -> bool:
        """Whether the cell was called as it is now, and succeeded."""
        row = self.ended(cell)
        return row is not None and row["status"] == 0

    def record(self, cell: Cell, status: int, seconds: float) -> None:
        """Keep how a call ended."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        write_json(self._file(cell, "json"),
                   {"command": cell.command, "status": status, "seconds": round(seconds, 1), "finished": now})

    def forget(self, cell: Cell) -> None:
        """Before a call: what the one before gave no longer holds."""
        self._file(cell, "json").unlink(missing_ok=True)

    def hold(self, cell: Cell) -> IO | None:
        """The cell's lock, to be inherited by its processes; None while processes of an earlier grid run it."""
        path = self._file(cell, "lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(3):
            if handle := hold(path):
                return handle
            time.sleep(0.05)  # --status may be looking at it
        return None

    def running(self, cell: Cell) -> bool:
        """Whether some process runs it now."""
        path = self._file(cell, "lock")
        if not path.exists():
            return False
        handle = hold(path)
        if handle is not None:
            handle.close()
        return handle is None

    def says(self, cell: Cell) -> str:
        """The last line of its log."""
        path = self.log(cell)
        if not path.exists():
            return ""
        with open(path, "rb") as stream:
            stream.seek(max(0, path.stat().st_size - TAIL))
            lines = re.split(r"[\r\n]+", stream.read().decode("utf-8", "replace"))
        return next((line for line in reversed(lines) if line and not line.startswith("#")), "")

    def _file(self, cell: Cell, kind: str) -> Path:
        return self.folder / "state" / f"{cell.name}.{kind}"
