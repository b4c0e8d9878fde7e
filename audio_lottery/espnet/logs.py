"""One log file a training run, though many runs share a process."""

import contextlib
import errno
import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import message, no_space

FORMAT = f"[{os.uname()[1].split('.')[0]}] %(asctime)s (%(module)s:%(lineno)d) %(levelname)s: %(message)s"


class _Handler(logging.StreamHandler):
    """Writes to a log, and keeps silent when that is not possible: the disk may be full."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drop what ESPnet prints and logs, below errors, while it imports or builds a model."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def logged_to(path: Path) -> Iterator[None]:
    """Send logging, stdout and stderr to a file, appended.

    ESPnet calls ``logging.basicConfig``, which does nothing where the root logger has handlers: so
    each run of one process still gets its own log. Warnings are shown on the terminal too.
    An exception is logged whole, and becomes a one-line :class:`LotteryError` that names the log.
    """
    try:
        with _logged_to(path):
            yield
    except LotteryError:
        raise
    except Exception as error:
        if no_space(error):
            raise LotteryError(f"{path.parent}: {os.strerror(errno.ENOSPC)}: free some, then start again to "
                               "continue") from None
        reason = f"{type(error).__name__}: {message(error)}"
        raise LotteryError(f"{path}: ESPnet stopped ({reason}): see the end of that file") from None


@contextlib.contextmanager
def _logged_to(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    with open(path, "a", encoding="utf-8", buffering=1) as stream:
        handler = _Handler(stream)
        shown = _Handler(sys.__stderr__)
        shown.addFilter(lambda record: record.name == "audio_lottery")
        for one in (handler, shown):
            one.setFormatter(logging.Formatter(FORMAT))
        shown.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        root.handlers = [handler, shown]
        root.setLevel(logging.INFO)
        try:
            with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
                yield
        except Exception:
            logging.exception("Stopped")
            raise
        finally:
            root.handlers = before
            root.setLevel(level)


@contextlib.contextmanager
def native_stderr_to(path: Path) -> Iterator[None]:
    """Send to a file, appended, what C++ libraries print past Python: KenLM draws a bar while it loads a model."""
    sys.stderr.flush()
    before = os.dup(2)
    try:
        with open(path, "ab") as stream:
            os.dup2(stream.fileno(), 2)
        yield
    finally:
        os.dup2(before, 2)
        os.close(before)
