"""Locks that die with the processes that hold them."""

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from audio_lottery.errors import LotteryError


def hold(path: Path) -> IO | None:
    """Lock a file, made if it is not there; None while another process holds it. Closing it lets go.

    A process that inherits the handle holds the lock too.
    """
    handle = open(path, "a")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        handle.close()
        return None
    return handle


@contextlib.contextmanager
def locked(folder: Path, what: str = "search") -> Iterator[None]:
    """Hold a folder; a second search (or ``what`` it is) in it is refused."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = hold(folder / ".lock")
    if handle is None:
        raise LotteryError(f"{folder}: another {what} is running here: wait for it, or take another folder")
    with handle:
        yield
