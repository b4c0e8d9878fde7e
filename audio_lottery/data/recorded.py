"""What corpora of recorded utterances share: the folder a user names, and the audio that lies in it."""

import os
from pathlib import Path

from audio_lottery.errors import LotteryError

SUFFIXES = (".flac", ".wav", ".sph", ".opus", ".ogg", ".mp3")


def find_root(option: str, root: str | Path, needed: list[str], corpus: str) -> Path:
    """The absolute path of a corpus's folder in which every path of ``needed`` is there.

    Args:
        option: the command-line option that named it, for the message.

    Raises:
        LotteryError: no folder, or parts missing: says which.
    """
    root = Path(os.path.abspath(root))  # not resolve(): a user's links stay as they are
    if not root.is_dir():
        raise LotteryError(f"--{option} {root}: no such folder: give the folder of {corpus}")
    missing = [name for name in needed if not (root / name).exists()]
    if missing:
        raise LotteryError(f"--{option} {root}: {', '.join(missing)} missing: give a whole copy of {corpus}")
    return root


def audio_files(folder: str | Path) -> dict[str, Path]:
    """Name without suffix -> path of the audio files in one folder (not below it)."""
    found = {}
    for entry in os.scandir(folder):
        stem, suffix = os.path.splitext(entry.name)
        if suffix.lower() in SUFFIXES:
            found[stem] = Path(entry.path)
    return found


def need_audio(folder: Path, name: str | Path, where: str) -> Path:
    """The audio file ``folder/name``, or the same under another suffix of :data:`SUFFIXES`, as a copy may have.

    Args:
        name: as the corpus says it, which may be anybody's.
        where: file:line of the transcript, for the message.

    Raises:
        LotteryError: none is there, or the name leads out of the folder.
    """
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise LotteryError(f"{where}: {name} is not below {folder}: get the corpus from its makers")
    if path.is_file():
        return path
    for suffix in SUFFIXES:
        if path.with_suffix(suffix).is_file():
            return path.with_suffix(suffix)
    raise LotteryError(f"{where}: no audio {path}: restore the file, or remove the transcript")
