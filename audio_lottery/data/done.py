"""``.done`` markers: a finished step is recognised and skipped, anything else is done again.

A marker holds the digest of the inputs and options, and the size and time of every output file; it
is written last. Files are named relative to the marker, so their folder may be renamed. A killed step
has no marker; a changed input, option or output makes it void.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from audio_lottery import fileio


def digest(*parts: object) -> str:
    """SHA-256 over JSON-able values: options, file digests, versions."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def stamp(path: str | Path) -> list[int] | None:
    """Size and modification time (ns) of a file, or None where there is none."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def finished(marker: str | Path, key: str) -> bool:
    """Whether the step with this digest ended well and its output is untouched."""
    try:
        state = json.loads(Path(marker).read_text(encoding="utf-8"))
        folder = Path(marker).parent
        return state["key"] == key and all(
            stamp(folder / name) == was for name, was in state["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def finish(marker: str | Path, key: str, files: Iterable[str | Path]) -> None:
    """Write the marker of a finished step with the stamps of its output files."""
    folder = Path(marker).parent
    stamps = {os.path.relpath(name, folder): stamp(name) for name in files}
    fileio.write_json(marker, {"key": key, "files": stamps})
