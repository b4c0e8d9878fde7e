"""The Free Spoken Digit Dataset: strings composed of one speaker's single recordings, short pauses between.

Source: https://github.com/Jakobovski/free-spoken-digit-dataset, CC BY-SA 4.0, release v1.0.10: 3,000
recordings, 6 speakers, 8 kHz, named ``{digit}_{speaker}_{index}.wav``.

Protocol ``official``: index 0-4 test, 5-9 dev, the rest train, every speaker in each. Protocol
``speaker_independent``: one speaker test, one dev, the others train. A dev or test recording is used
exactly once, a train recording once per pass.
"""

import argparse
import hashlib
import random
import re
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audio_lottery import fileio
from audio_lottery.data import audio, done, download, kaldi
from audio_lottery.data.options import integer
from audio_lottery.data.prepared import prepare_once
from audio_lottery.data.strings import WORDS, random_lengths
from audio_lottery.errors import LotteryError

VERSION = 1  # raise when the composed audio changes
FS = 8000
URL = "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz"
# manifest() of a copy with all 3,000 recordings, taken to be the release's: the archive was not at hand. The
# content is checked, not the archive, which GitHub may pack anew with other bytes.
MANIFEST = "dbd573d7cafe79c4b49f65718115e1304e24e067fa39eff18a660dc6cb9c360f"
PROTOCOLS = ("official", "speaker_independent")
DEV_SPEAKER, TEST_SPEAKER = "nicolas", "theo"
NAME = re.compile(r"([0-9])_([A-Za-z0-9]+)_([0-9]+)\.wav")


class Recording(NamedTuple):
    """One spoken digit."""

    digit: int
    speaker: str
    index: int
    path: Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``audio-lottery prepare fsdd``."""
    parser.add_argument("--out", type=Path, default=Path("data"), help="parent of train, dev and test")
    parser.add_argument("--fsdd_root", type=Path, help="a copy of the corpus; downloaded when not given")
    parser.add_argument("--downloads", type=Path, default=Path("downloads"), help="where a download goes")
    parser.add_argument("--wav_dir", type=Path, help="where composed audio goes; by default OUT/fsdd_wav")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="speaker_independent", help="how to split")
    parser.add_argument("--test_speaker", help=f"test speaker, {TEST_SPEAKER} unless given")
    parser.add_argument("--dev_speaker", help=f"dev speaker, {DEV_SPEAKER} unless given")
    parser.add_argument("--fold", type=int, help="instead: fold 1 to 6 of a cross-validation; "
                        "each speaker is tested in one and dev in another")  # fmt: skip
    parser.add_argument("--passes", type=integer(1), default=2, help="times each train recording is used")
    parser.add_argument("--seed", type=int, default=0, help="seed of the strings and pauses")


def prepare(args: argparse.Namespace) -> None:
    """Find or fetch the corpus and run :func:`prepare_fsdd` on parsed options."""
    root = args.fsdd_root or fetch(args.downloads)
    recordings = find_recordings(root)
    if args.fsdd_root and manifest(recordings) != MANIFEST:
        print(
            f"note: {root} differs from the copy this recipe was tested with: scores will not compare",
            file=sys.stderr,
        )
    test, dev = choose_speakers(args, sorted({r.speaker for r in recordings}))
    prepare_fsdd(
        recordings, args.out, args.wav_dir or args.out / "fsdd_wav", test, dev, args.passes, args.seed
    )


def choose_speakers(args: argparse.Namespace, speakers: list[str]) -> tuple[str | None, str | None]:
    """(test, dev) speaker as the options say; (None, None) for the official protocol."""
    if args.protocol == "official":
        for option in ("test_speaker", "dev_speaker", "fold"):
            if getattr(args, option) is not None:
                raise LotteryError(f"--{option}: only for --protocol speaker_independent")
        return None, None
    if args.fold is not None:
        if args.test_speaker or args.dev_speaker:
            raise LotteryError("--fold: it chooses the speakers: leave out --test_speaker and --dev_speaker")
        return fold_speakers(args.fold, speakers)
    test, dev = args.test_speaker or TEST_SPEAKER, args.dev_speaker or DEV_SPEAKER
    for option, speaker in (("test_speaker", test), ("dev_speaker", dev)):
        if speaker not in speakers:
            raise LotteryError(f"--{option} {speaker}: no such speaker: choose among {', '.join(speakers)}")
    if test == dev:
        raise LotteryError(f"--dev_speaker {dev}: is the test speaker: choose another")
    return test, dev


def fold_speakers(fold: int, speakers: list[str]) -> tuple[str, str]:
    """(test, dev) speaker of a fold, counted from 1: test the fold-th speaker, dev the one before it."""
    if not 1 <= fold <= len(speakers):
        raise LotteryError(f"--fold {fold}: there are {len(speakers)} speakers: give 1 to {len(speakers)}")
    return speakers[fold - 1], speakers[fold - 2]


def find_recordings(root: str | Path) -> list[Recording]:
    """The recordings below ``root`` or ``root/recordings``, sorted by name."""
    root = Path(root)
    folder = root / "recordings" if (root / "recordings").is_dir() else root
    if not folder.is_dir():
        raise LotteryError(f"--fsdd_root {root}: no such folder: give the corpus's folder")
    found = []
    for path in sorted(folder.glob("*.wav")):
        match = NAME.fullmatch(path.name)
        if match:
            found.append(Recording(int(match[1]), match[2], int(match[3]), path))
    if not found:
        raise LotteryError(f"--fsdd_root {root}: holds no 7_jackson_32.wav and so on: give the corpus's")
    return found


def manifest(recordings: list[Recording]) -> str:
    """SHA-256 over the sorted lines "name sha256" of the recordings: the identity of a release."""
    lines = sorted(f"{r.path.name} {fileio.sha256(r.path)}\n" for r in recordings)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def fetch(downloads: Path, url: str = URL, expected: str = MANIFEST) -> Path:
    """Download and unpack the release, unless done before; returns the corpus's folder.

    Raises:
        LotteryError: no network, or content that is not the release's.
    """
    root = downloads / "free-spoken-digit-dataset-1.0.10"
    if not root.is_dir():
        archive = downloads / "free-spoken-digit-dataset-1.0.10.tar.gz"
        download.download(url, archive)
        download.extract(archive, root)
    found = manifest(find_recordings(root))
    if found != expected:
        raise LotteryError(
            f"{root}: not the recordings this was tested with (manifest {found[:12]}, not {expected[:12]}): "
            f"remove {root} and {root}.tar.gz and start again, or use them as they are with --fsdd_root"
        )
    return root


def prepare_fsdd(recordings: list[Recording], out: Path, wav_dir: Path, test: str | None, dev: str | None,
                 passes: int = 2, seed: int = 0) -> None:  # fmt: skip
    """Compose ``out/{train,dev,test}`` and their 16-bit 8 kHz wav files below ``wav_dir``.

    Args:
        test, dev: speakers of the speaker-independent protocol; None for the official one.
        passes: times each train recording is used.
        seed: of strings and pauses.
    """
    key = done.digest("fsdd", VERSION, manifest(recordings), test, dev, passes, seed)

    def build(folder: Path) -> dict[str, kaldi.DataDir]:
        sets: dict[str, list[Recording]] = {"train": [], "dev": [], "test": []}
        for recording in recordings:
            sets[_subset(recording, test, dev)].append(recording)
        for name, chosen in sets.items():
            if not chosen:
                raise LotteryError(f"{recordings[0].path.parent}: nothing for {name}: give the whole corpus")
        return {name: _compose(name, chosen, folder / name, passes if name == "train" else 1, seed)
                for name, chosen in sets.items()}  # fmt: skip

    prepare_once(out, "fsdd", key, wav_dir, build)


def _subset(recording: Recording, test: str | None, dev: str | None) -> str:
    if test is None:
        return "test" if recording.index < 5 else "dev" if recording.index < 10 else "train"
    return {test: "test", dev: "dev"}.get(recording.speaker, "train")


def _compose(
    subset: str, recordings: list[Recording], wav_dir: Path, passes: int, seed: int
) -> kaldi.DataDir:
    samples = {r.path: _read(r.path) for r in recordings}
    rows = []
    for speaker in sorted({r.speaker for r in recordings}):
        for turn in range(passes):
            rng = random.Random(f"{seed}-{subset}-{speaker}-{turn}")
            rest = [r for r in recordings if r.speaker == speaker]
            rng.shuffle(rest)
            for number, length in enumerate(random_lengths(len(rest), rng)):
                string, rest = rest[:length], rest[length:]
                utterance = f"{speaker}-{subset}-{turn}-{number:04d}"
                path = wav_dir / f"{utterance}.wav"
                audio.write(path, _join([samples[r.path] for r in string], rng), FS)
                rows.append((utterance, speaker, str(path), " ".join(WORDS[r.digit] for r in string)))
    return kaldi.make_data_dir(rows)


def _read(path: Path) -> np.ndarray:
    samples, rate = audio.read(path)
    if rate != FS:
        raise LotteryError(f"{path}: {rate} Hz, the corpus has {FS}: restore the file")
    return audio.to_mono(samples, None, str(path))


def _join(parts: list[np.ndarray], rng: random.Random) -> np.ndarray:
    """Silence of 50 to 200 ms, then each recording and a pause of 30 to 150 ms."""
    pieces = [np.zeros(int(FS * rng.uniform(0.05, 0.2)), dtype=np.float32)]
    for part in parts:
        pieces += [part, np.zeros(int(FS * rng.uniform(0.03, 0.15)), dtype=np.float32)]
    return np.concatenate(pieces)
