"""The compiled engine, or numpy where it is missing."""

import functools
import os
import sys
from types import ModuleType

from audio_lottery.engine import native, program, reference
from audio_lottery.errors import LotteryError


@functools.cache
def _compiled() -> bool:
    try:
        native.library()
        return True
    except LotteryError as error:
        print(f"audio-lottery: {error}; until then numpy runs, several times slower", file=sys.stderr)
        return False


def _module(compiled: ModuleType) -> ModuleType:
    if os.environ.get("AUDIO_LOTTERY_ISA") == "numpy" or not _compiled():
        return reference
    return compiled


def matrix(*args, **kwargs):
    """A packed matrix; arguments as :class:`native.Matrix`."""
    return _module(native).Matrix(*args, **kwargs)


def new_program(threads: int = 1, left: int | None = None):
    """An empty program: :class:`program.Program` or its numpy twin."""
    return _module(program).Program(threads, left)


def name() -> str:
    """What runs: numpy, plain, avx2, avx512 or vnni."""
    return "numpy" if _module(native) is reference else native.isa()
