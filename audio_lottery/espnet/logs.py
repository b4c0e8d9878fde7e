"""One log file a training run, though many runs share a process."""

import contextlib
import io
import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

FORMAT = f"[{os.uname()[1].split('.')[0]}] %(asctime)s (%(module)s:%(lineno)d) %(levelname)s: %(message)s"


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
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    with open(path, "a", encoding="utf-8", buffering=1) as stream:
        handler = logging.StreamHandler(stream)
        shown = logging.StreamHandler(sys.__stderr__)
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
            logging.exception("Training stopped")
            raise
        finally:
            root.handlers = before
            root.setLevel(level)
