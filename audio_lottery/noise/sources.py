"""Where noise comes from: a folder of recordings, or made: white, pink, babble."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np

from audio_lottery.data import audio, done, kaldi
from audio_lottery.errors import LotteryError
from audio_lottery.noise.level import active_power
from audio_lottery.noise.split import PARTS, split

EXTENSIONS = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".sph", ".aiff", ".aif", ".au")
AUDIBLE = 1e-6  # mean square, -60 dB of full scale
TRIES = 50
SHORT = 30.0  # seconds; files up to this long are kept in memory
TALKERS = 6


class Source(Protocol):
    """Something that gives noise."""

    def draw(self, rng: np.random.Generator, count: int, rate: int, avoid: str = "") -> tuple[np.ndarray, str]:
        """``count`` samples of noise at ``rate`` Hz, shape (count,), and where they come from.

        ``avoid`` is the id of the utterance the noise is for. The level has no meaning.
        """
        ...


def source(spec: str, part: str) -> Source:
    """``white``, ``pink``, ``babble=DATA_FOLDER`` or a folder of audio; ``part`` of its files, or all."""
    if part not in (*PARTS, "all"):
        raise LotteryError(f"--part {part}: unknown: choose from {', '.join(PARTS)} and all")
    if spec == "white":
        return Made(spec, white)
    if spec == "pink":
        return Made(spec, pink)
    if spec == "babble" or spec.startswith("babble="):
        if not spec[7:]:
            raise LotteryError("--noise babble: whose voices is not said: write babble=dump/raw/train")
        return Babble(spec[7:], part)
    return Recordings(spec, part)


def white(rng: np.random.Generator, count: int) -> np.ndarray:
    """White Gaussian noise."""
    return rng.standard_normal(count)


def pink(rng: np.random.Generator, count: int) -> np.ndarray:
    """Gaussian noise whose power falls by 3 dB an octave: a white spectrum over the root of frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    return np.fft.irfft(spectrum, count)


class Made:
    """Noise from a random generator."""

    def __init__(self, name: str, make: Callable[[np.random.Generator, int], np.ndarray]):
        self.name = name
        self.make = make

    def draw(self, rng: np.random.Generator, count: int, rate: int, avoid: str = "") -> tuple[np.ndarray, str]:
        """See :class:`Source`."""
        return self.make(rng, count).astype(np.float32), self.name


class Recordings:
    """The audio files below a folder that belong to a part (see :func:`audio_lottery.noise.split.split`)."""

    def __init__(self, root: str | Path, part: str):
        self.root = Path(root)
        if not self.root.is_dir():
            raise LotteryError(f"{root}: no such noise folder: give a folder of audio, white, pink or babble=DATA")
        found = (path for path in self.root.rglob("*") if path.suffix.lower() in EXTENSIONS and path.is_file())
        names = sorted(path.relative_to(self.root).as_posix() for path in found)
        if not names:
            raise LotteryError(f"{root}: no audio in this noise folder: give one with wav, flac or ogg files")
        self.names = _part(names, part, root)

    def draw(self, rng: np.random.Generator, count: int, rate: int, avoid: str = "") -> tuple[np.ndarray, str]:
        """See :class:`Source`. The first audible stretch of up to 50 is taken, else the loudest.

        Recordings of single sounds are padded with silence, which no gain brings to an SNR.
        """
        best, where, power = None, "", 0.0
        for _ in range(TRIES):
            name = self.names[rng.integers(len(self.names))]
            noise = stretch(self.root / name, rng, count, rate)
            now = float(np.mean(np.square(noise, dtype=np.float64)))
            if best is None or now > power:
                best, where, power = noise, name, now
            if power > AUDIBLE:
                break
        if power == 0:
            raise LotteryError(f"{self.root / where}: silent, as are others of this noise folder: remove them")
        return best, where


class Babble:
    """Six utterances of a data folder at once, each at the same speech level."""

    def __init__(self, folder: str | Path, part: str):
        self.data = kaldi.DataDir.read(folder)
        self.names = _part(self.data.utterances, part, folder)

    def draw(self, rng: np.random.Generator, count: int, rate: int, avoid: str = "") -> tuple[np.ndarray, str]:
        """See :class:`Source`; no utterance of ``avoid``'s speaker is used where others are there."""
        speaker = self.data.utt2spk.get(avoid)
        others = [name for name in self.names if name != avoid and self.data.utt2spk[name] != speaker]
        others = others or [name for name in self.names if name != avoid]
        if not others:
            raise LotteryError(f"{self.data.wav.path}: babble for {avoid} needs another utterance: give more data")
        total = np.zeros(count, dtype=np.float32)
        for i in rng.choice(len(others), min(TALKERS, len(others)), replace=False):
            voice = self._voice(others[i], rate)
            power = active_power(voice, rate)
            if power:
                start = rng.integers(len(voice))
                total += np.take(voice, np.arange(start, start + count), mode="wrap") / np.sqrt(power)
        if not total.any():
            raise LotteryError(f"{self.data.wav.path}: only silence to make babble from: give speech")
        return total, "babble"

    def _voice(self, utterance: str, rate: int) -> np.ndarray:
        cut = self.data.source(utterance)
        samples, own = audio.read(self.data.wav[cut.recording], where=self.data.where(utterance))
        stop = None if np.isinf(cut.end) else round(cut.end * own)
        return audio.resample(samples[round(cut.start * own) : stop].mean(axis=1), own, rate)


def stretch(path: Path, rng: np.random.Generator, count: int, rate: int) -> np.ndarray:
    """``count`` samples at ``rate`` Hz from a random place of a file; a shorter file is repeated."""
    changed = tuple(done.stamp(path) or ())
    info = _probe(path, changed)
    need = -(-count * info.rate // rate) + 1
    if info.seconds > SHORT and info.frames > need:
        start = int(rng.integers(info.frames - need))
        samples, _ = audio.read(path, start, start + need)
        noise = audio.resample(samples.mean(axis=1), info.rate, rate)
        return np.take(noise, np.arange(count), mode="wrap")
    noise = _whole(path, changed, rate)
    start = rng.integers(len(noise) - count if len(noise) > count else len(noise))
    return np.take(noise, start + np.arange(count), mode="wrap")


@functools.lru_cache(maxsize=4096)
def _probe(path: Path, changed: tuple[int, ...]) -> audio.AudioInfo:
    """The header, kept: checking it takes longer than reading a short stretch. ``changed``: its stamp."""
    return audio.probe(path)


@functools.lru_cache(maxsize=256)
def _whole(path: Path, changed: tuple[int, ...], rate: int) -> np.ndarray:
    """A whole file at ``rate`` Hz, kept: decoding and resampling it anew takes 10 ms an utterance."""
    samples, own = audio.read(path)
    return audio.resample(samples.mean(axis=1), own, rate)


def _part(names: list[str], part: str, where: str | Path) -> list[str]:
    if part == "all":
        return names
    parts = split(names)
    chosen = [name for name in names if parts[name] == part]
    if not chosen:
        raise LotteryError(f"{where}: {len(names)} recordings are too few to keep some for {part} alone: give at "
                           "least five, or a folder for this part and --part all")
    return chosen
