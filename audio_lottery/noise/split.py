"""Which noise recordings belong to training, which to the dev set, which to the test sets."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

PARTS = ("train", "valid", "test")
BOUNDS = (0.6, 0.8, 1.0)
FEW = 5  # recordings a class needs to be split by itself


def split(names: Sequence[str]) -> dict[str, str]:
    """Give each file, named relative to its root, a part: 60% train, 20% valid, 20% test.

    Each class (folder) is split by itself in the order of a hash of its recordings' names, so every part
    holds every class and the split is the same on every machine. Cuts of one recording stay together:
    takes of ESC-50 and ESC-10 (1-17367-A, 1-17367-B) and channels of DEMAND (DKITCHEN/ch01 ... ch16).
    Classes of fewer than five recordings are split as one.
    """
    classes: dict[str, dict[str, list[str]]] = {}
    for name in names:
        recording = recording_of(name)
        classes.setdefault(str(PurePosixPath(recording).parent), {}).setdefault(recording, []).append(name)
    pooled: dict[str, list[str]] = {}
    groups = [pooled]
    for recordings in classes.values():
        if len(recordings) < FEW:
            pooled.update(recordings)
        else:
            groups.append(recordings)
    parts = {}
    for recordings in groups:
        for place, recording in enumerate(sorted(recordings, key=_hash)):
            share = (place + 0.5) / len(recordings)
            part = next(part for part, bound in zip(PARTS, BOUNDS, strict=True) if share < bound)
            parts.update(dict.fromkeys(recordings[recording], part))
    return parts


def recording_of(name: str) -> str:
    """The recording a file is cut from; an utterance at another speed (``sp0.9-ID``) is the same recording."""
    name = re.sub(r"^sp[\d.]+-", "", name)
    path = PurePosixPath(name)
    if re.fullmatch(r"ch\d\d", path.stem) and path.parent.name:
        return str(path.parent)
    take = re.fullmatch(r"(\d-\d+)-[A-Z](-\d+)?", path.stem)
    return str(path.parent / take[1]) if take else name


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
