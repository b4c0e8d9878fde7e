"""A folder that a step makes: whole or as it was before, done once, never in place of other files."""

import glob
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from audio_lottery import fileio
from audio_lottery.data import done
from audio_lottery.errors import LotteryError
from audio_lottery.lock import locked

MARKER = ".done"


def make_folder(folder: Path, key: str, write: Callable[[Path], None]) -> bool:
    """Make ``folder`` by ``write``, unless it was made with the same ``key`` before; returns whether it was made.

    ``write`` is given another folder beside it, which takes its name when it is whole: a killed or failed
    run leaves ``folder`` as it was.

    Raises:
        LotteryError: the folder holds files that no such step wrote, or another run makes it now.
    """
    if done.finished(folder / MARKER, key):  # also where nothing can be written
        return False
    with locked(folder, "preparation of data", beside=True):
        if done.finished(folder / MARKER, key):
            return False
        if folder.exists() and not (folder / MARKER).is_file() and any(folder.iterdir()):
            raise LotteryError(f"{folder}: holds files this command did not write: move it away, or choose another")
        for left in folder.parent.glob(f".{glob.escape(folder.name)}.{'?' * 8}.tmp"):  # of a killed run
            shutil.rmtree(left, ignore_errors=True)
        # A name of its own: processes of a killed run may write a little longer.
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".tmp", dir=folder.parent))
        try:
            temporary.chmod(0o777 & ~fileio.umask())
            write(temporary)
            os.sync()
            done.finish(temporary / MARKER, key, [path for path in temporary.rglob("*") if path.is_file()])
            _swap(temporary, folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return True


def _swap(temporary: Path, folder: Path) -> None:
    """Put the new folder in the old one's place."""
    old = folder.parent / f".{folder.name}.old"
    shutil.rmtree(old, ignore_errors=True)  # of a killed run
    if folder.exists():
        os.rename(folder, old)
    os.rename(temporary, folder)
    fileio.fsync(folder.parent)
    shutil.rmtree(old, ignore_errors=True)
