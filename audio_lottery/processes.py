"""How processes end: none outlives the one that it works for, none is aborted while it ends."""

import atexit
import contextlib
import ctypes
import os
import signal
import sys
from typing import NoReturn


def end_with_parent() -> None:
    """Kill this process when the one that started it ends, however it does (Linux; elsewhere nothing is done)."""
    if sys.platform.startswith("linux"):
        death_signal = 1  # PR_SET_PDEATHSIG of linux/prctl.h
        ctypes.CDLL(None).prctl(death_signal, signal.SIGKILL)


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
