"""Write a prepared corpus: audio first, then the tables that name it, a marker last."""

import os
from collections.abc import Callable
from pathlib import Path

from audio_lottery.data import done, kaldi

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
    sets = build(wav_dir / key[:8])
    os.sync()  # the audio is on the disk before a table names it
    files: list[Path] = []
    marker.unlink(missing_ok=True)
    for subset, data in sets.items():
        data.write(out / subset)
        files += [out / subset / table for table in TABLES] + [Path(path) for path in data.wav.values()]
        words = sum(len(text.split()) for text in data.text.values())
        print(f"{out / subset}: {len(data.text)} utterances, {words} words, {len(data.speakers)} speakers")
    done.finish(marker, key_here, files)
