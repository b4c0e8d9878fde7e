"""What the digit corpora share: words, random strings of 3 to 7 digits, and writing a prepared set."""

import os
import random
from collections.abc import Callable
from pathlib import Path

from audio_lottery.data import done, kaldi

WORDS = "ZERO ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE".split()
SHORTEST, LONGEST = 3, 7
TABLES = ("text", "utt2spk", "spk2utt", "wav.scp")


def random_lengths(total: int, rng: random.Random) -> list[int]:
    """Cut ``total`` digits into strings of 3 to 7 (one shorter string when there are fewer than 3)."""
    lengths = []
    while total > 0:
        n = min(rng.randint(SHORTEST, LONGEST), total)
        if 0 < total - n < SHORTEST:  # never leave a rest too short for a string of its own
            n = total if total <= LONGEST else total - SHORTEST
        lengths.append(n)
        total -= n
    return lengths


def prepare_once(out: Path, name: str, key: str, build: Callable[[], dict[str, kaldi.DataDir]]) -> None:
    """Make a corpus's data folders below ``out``, unless the same were made before; print their sizes.

    Args:
        out: parent of the data folders.
        name: the corpus, for messages and the marker's name.
        key: digest of everything the result depends on.
        build: writes the audio and returns set -> data folder.
    """
    marker = out / f".{name}.done"
    if done.finished(marker, key):
        print(f"{name}: already prepared in {out}")
        return
    marker.unlink(missing_ok=True)
    files: list[Path] = []
    sets = build()
    os.sync()  # the audio is on the disk before a table names it
    for subset, data in sets.items():
        data.write(out / subset)
        files += [out / subset / table for table in TABLES] + [Path(path) for path in data.wav.values()]
        words = sum(len(text.split()) for text in data.text.values())
        print(f"{out / subset}: {len(data.text)} utterances, {words} words, {len(data.speakers)} speakers")
    done.finish(marker, key, files)
