"""Write a prepared corpus: audio first, then the tables that name it, a marker last."""

import os
from collections.abc import Callable
from pathlib import Path

from audio_lottery.data import done, kaldi
from audio_lottery.errors import LotteryError
from audio_lottery.lock import locked

TABLES = ("text", "utt2spk", "spk2utt", "wav.scp")


def prepare_once(
    out: Path, name: str, key: str, wav_dir: Path, build: Callable[[Path], dict[str, kaldi.DataDir]]
) -> None:
    """Make a corpus's data folders below ``out``, unless the same were made before; print their sizes.

    Audio goes to a folder of ``wav_dir`` named after ``key``: other options never overwrite audio that
    a table still names, so a killed run cannot part transcripts from their audio.

    Args:
        out: parent of the data folders.
        name: the corpus, for messages and the marker's name.
        key: digest of everything the audio and the text depend on.
        wav_dir: parent of the audio.
        build: writes the audio below the folder it is given and returns set -> data folder.
    """
    marker, key_here = out / f".{name}.done", done.digest(key, str(wav_dir))
    if done.finished(marker, key_here):
        print(f"{name}: already prepared in {out}")
        return
    with locked(out, "preparation of data", beside=True):
        sets = build(wav_dir / key[:8])
        os.sync()  # the audio is on the disk before a table names it
        marker.unlink(missing_ok=True)
        write_sets(out, sets)
        files: list[Path] = []
        for subset, data in sets.items():
            files += [out / subset / table for table in TABLES] + [Path(path) for path in data.wav.values()]
        done.finish(marker, key_here, files)


def write_sets(out: Path, sets: dict[str, kaldi.DataDir]) -> None:
    """Write data folders below ``out`` and print their sizes. Nothing is written when one is empty or unfit.

    Raises:
        LotteryError: a set without utterances, or an utterance in two sets.
    """
    seen: dict[str, str] = {}
    for subset, data in sets.items():
        if not data.text:
            raise LotteryError(f"{out / subset}: would be empty: check that the corpus's folder is whole")
        for utterance in data.text:
            if seen.setdefault(utterance, subset) != subset:
                raise LotteryError(f"{utterance}: is in {seen[utterance]} and in {subset}: choose sets that are apart")
        data.check()
    for subset, data in sets.items():
        data.write(out / subset)
        words = sum(len(text.split()) for text in data.text.values())
        print(f"{out / subset}: {len(data.text)} utterances, {words} words, {len(data.speakers)} speakers")
