"""Locks that die with the processes that hold them."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from audio_lottery.errors import LotteryError

_held: set[IO] = set()


def _let_go() -> None:
    """In a forked process: data-loading ones live some seconds longer than a killed search, which may start again."""
    for handle in _held:
        handle.close()


os.register_at_fork(after_in_child=_let_go)


def hold(path: Path) -> IO | None:
    """Lock a file, made if it is not there; None while another process holds it. Closing it lets go.

    A process that inherits the handle holds the lock too.
    """
    while True:
        handle = open(path, "a")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle.fileno()), os.stat(path)):
                return handle
        handle.close()  # its holder removed it meanwhile: a lock of it keeps nobody off


@contextlib.contextmanager
def locked(folder: Path, what: str = "search", beside: bool = False) -> Iterator[None]:
    """Hold a folder as long as this process has it; a second search (or ``what`` it is) in it is refused.

    beside: the lock is a file beside the folder, which may be replaced, and is there only while it is held.
    """
    path = folder.parent / f".{folder.name}.lock" if beside else folder / ".lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = hold(path)
    if handle is None:
        raise LotteryError(f"{folder}: another {what} is running here: wait for it, or take another folder")
    with handle:
        _held.add(handle)
        try:
            yield
        finally:
            _held.discard(handle)
            if beside:
                path.unlink(missing_ok=True)
