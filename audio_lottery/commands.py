"""The command lines that made a search, one a line of EXP/commands.txt: what its reports show."""

from collections.abc import Sequence
from pathlib import Path

from audio_lottery.fileio import read_text, write_text

NAME = "commands.txt"


def remembered(folder: str | Path) -> list[str]:
    """Those of a search's folder; none where none was told."""
    path = Path(folder) / NAME
    return read_text(path).splitlines() if path.is_file() else []


def together(folder: str | Path, lines: Sequence[str]) -> list[str]:
    """Those of the folder, then those of ``lines`` that are new."""
    return list(dict.fromkeys([*remembered(folder), *lines]))


def remember(folder: str | Path, lines: Sequence[str]) -> list[str]:
    """Add those of ``lines`` that are new to the folder's; all that there are then."""
    found = together(folder, lines)
    if found != remembered(folder):
        write_text(Path(folder) / NAME, "".join(f"{line}\n" for line in found))
    return found
