"""The command lines that made a search, one a line of EXP/commands.txt: what its reports show."""

from collections.abc import Sequence
from pathlib import Path

from audio_lottery.fileio import read_text, write_text

NAME = "commands.txt"


def remembered(folder: str | Path) -> list[str]:
    """Those of a search's folder; none where none was told."""
    path = Path(folder) / NAME
    return read_text(path).splitlines() if path.is_file() else []


def remember(folder: str | Path, lines: Sequence[str]) -> list[str]:
    """Add those of ``lines`` that are new; all that there are then."""
    known = remembered(folder)
    new = [line for line in dict.fromkeys(lines) if line not in known]
    if new:
        write_text(Path(folder) / NAME, "".join(f"{line}\n" for line in known + new))
    return known + new
