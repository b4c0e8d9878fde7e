"""Which Python and ESPnet this works on, and what a run was made with."""

import importlib.metadata
import subprocess
import sys
from pathlib import Path

from audio_lottery import __version__
from audio_lottery.errors import LotteryError

ESPNET = "202611"


def require() -> None:
    """Raise :class:`LotteryError` unless Python and ESPnet are versions that this was built on.

    State-dict names differ between ESPnet releases and ESPnet loads with ``strict=False``, so a
    model of another release would decode to garbage without a word.
    """
    if not (3, 12) <= sys.version_info[:2] < (3, 14):
        found = ".".join(map(str, sys.version_info[:3]))
        raise LotteryError(f"Python {found}: ESPnet {ESPNET} needs 3.12 or 3.13: run utils/setup.sh with one of them")
    try:
        found = importlib.metadata.version("espnet")
    except importlib.metadata.PackageNotFoundError:
        raise LotteryError("ESPnet is not installed: run utils/setup.sh") from None
    if found.split(".")[0] != ESPNET:
        raise LotteryError(f"ESPnet {found} is installed, {ESPNET} is needed: run utils/setup.sh")


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide a result."""
    names = ("espnet", "torch", "torchaudio", "numpy")
    found = {name: importlib.metadata.version(name) for name in names}
    return {"audio_lottery": __version__, "python": sys.version.split()[0], **found}


def git_hash() -> str | None:
    """Commit of the checkout this package runs from, with ``-dirty`` when it was changed; None outside git."""
    root = Path(__file__).resolve().parents[2]
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() or None
    except (OSError, subprocess.CalledProcessError):
        return None
