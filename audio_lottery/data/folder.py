"""A folder that a step makes: whole or as it was before, done once, never in place of other files."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from audio_lottery import fileio
from audio_lottery.data import done
from audio_lottery.errors import LotteryError

MARKER = ".done"


def make_folder(folder: Path, key: str, write: Callable[[Path], None]) -> bool:
    """Make ``folder`` by ``write``, unless it was made with the same ``key`` before; returns whether it was made.

    ``write`` is given another folder beside it, which takes its name when it is whole: a killed or failed
    run leaves ``folder`` as it was.

    Raises:
        LotteryError: the folder holds files that no such step wrote.
    """
    if done.finished(folder / MARKER, key):
        return False
    if folder.exists() and not (folder / MARKER).is_file() and any(folder.iterdir()):
        raise LotteryError(f"{folder}: holds files this command did not write: move it away, or choose another")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.parent / f".{folder.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed run
    try:
        temporary.mkdir()
        write(temporary)
        os.sync()
        done.finish(temporary / MARKER, key, [path for path in temporary.rglob("*") if path.is_file()])
        _swap(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return True


def _swap(temporary: Path, folder: Path) -> None:
    """Put the new folder in the old one's place."""
    old = temporary.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)  # of a killed run
    if folder.exists():
        os.rename(folder, old)
    os.rename(temporary, folder)
    fileio.fsync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
