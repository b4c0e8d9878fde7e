"""How processes end: none outlives the one that it works for, none is aborted while it ends."""

import atexit
import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from multiprocessing import connection
from typing import NoReturn


def end_with_parent() -> None:
    """Kill this process when the one that started it ends, however it does (Linux; elsewhere nothing is done)."""
    if sys.platform.startswith("linux"):
        death_signal = 1  # PR_SET_PDEATHSIG of linux/prctl.h
        ctypes.CDLL(None).prctl(death_signal, signal.SIGKILL)


def end_with_pool() -> None:
    """Initializer of a pool's workers: kill this one when the process that has the pool ends, however it does.

    Workers of a fork server are its children, and it lives as long as they do: its end tells them nothing.
    """
    owner = multiprocessing.parent_process()

    def watch() -> None:
        connection.wait([owner.sentinel])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def end(status: int) -> NoReturn:
    """End a process that may have trained with others, at once.

    Threads of torch.distributed may still hold tensors while Python takes itself apart, and then abort the process,
    whose work was done, or whose complaint was made (https://github.com/pytorch/pytorch/pull/179291).
    """
    atexit._run_exitfuncs()  # data-loading processes end, writers write
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # a full disk, a closed stream
            stream.flush()
    os._exit(status)
