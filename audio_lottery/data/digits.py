"""The embedded default corpus: digit strings spoken by eSpeak NG, split by voice.

Train, dev and test have voices of their own. Rate and pitch vary a little from utterance to
utterance, and low noise covers the speech, so that a small model does not get everything right. The
same options give the same bytes on every run.
"""

import argparse
import random
from pathlib import Path

import numpy as np
from tqdm import tqdm

from audio_lottery.data import audio, done, kaldi
from audio_lottery.data.espeak import Speech, synthesise
from audio_lottery.data.options import integer, number
from audio_lottery.data.prepared import prepare_once
from audio_lottery.data.strings import LONGEST, SHORTEST, WORDS

VERSION = 1  # raise when the audio changes, so that corpora on disk are made again
VOICES = {
    "train": ("en-us+m1", "en-us+m2", "en-us+m3", "en-us+m4", "en-us+m6", "en-us+m7",
              "en-us+f1", "en-us+f2", "en-us+f3", "en-us+f4", "en-gb-x-rp+m3", "en-gb-x-rp+f1"),
    "dev": ("en-us+m8", "en-us+f5"),
    "test": ("en-us+m5", "en-us+Annie", "en-gb-scotland+m4"),
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``audio-lottery prepare digits``."""
    parser.add_argument("--out", type=Path, default=Path("data"), help="parent of train, dev and test")
    parser.add_argument("--wav_dir", type=Path, help="where the audio goes; by default OUT/digits_wav")
    parser.add_argument("--train_strings", type=integer(1), default=400, help="utterances for training")
    parser.add_argument("--dev_strings", type=integer(1), default=60, help="utterances for model selection")
    parser.add_argument("--test_strings", type=integer(1), default=100, help="utterances for scoring")
    parser.add_argument("--fs", type=integer(4000, 48000), default=8000, help="sampling rate in Hz")
    parser.add_argument("--snr", type=number(-20, 100), default=20.0, help="signal-to-noise ratio in dB")
    parser.add_argument("--seed", type=int, default=0, help="seed of strings, rates, pitches and noise")


def prepare(args: argparse.Namespace) -> None:
    """Run :func:`prepare_digits` on parsed options."""
    sizes = {"train": args.train_strings, "dev": args.dev_strings, "test": args.test_strings}
    prepare_digits(args.out, args.wav_dir or args.out / "digits_wav", sizes, args.fs, args.snr, args.seed)


def prepare_digits(out: Path, wav_dir: Path, sizes: dict[str, int], fs: int = 8000, snr: float = 20.0,
                   seed: int = 0) -> None:  # fmt: skip
    """Synthesise the corpus: ``out/{train,dev,test}`` and 16-bit wav files below ``wav_dir``.

    Args:
        sizes: set -> number of utterances.
        fs: sampling rate in Hz.
        snr: speech over noise in dB, on the utterance's mean power.
        seed: of everything random.
    """
    key = done.digest("digits", VERSION, VOICES, sizes, fs, snr, seed)

    def build(folder: Path) -> dict[str, kaldi.DataDir]:
        return {name: _make_set(name, size, folder / name, fs, snr, seed) for name, size in sizes.items()}

    prepare_once(out, "digits", key, wav_dir, build)


def _make_set(subset: str, size: int, wav_dir: Path, fs: int, snr: float, seed: int) -> kaldi.DataDir:
    voices = VOICES[subset]
    rows, jobs = [], []
    for index in range(size):
        voice = voices[index % len(voices)]
        rng = random.Random(f"{seed}-{subset}-{index}")
        words = [rng.choice(WORDS) for _ in range(rng.randint(SHORTEST, LONGEST))]
        jobs.append(Speech(voice, " ".join(words).lower(), rate=rng.randint(160, 220),
                           pitch=rng.randint(40, 60), seed=rng.randrange(1, 2**31)))  # fmt: skip
        speaker = voice.replace("+", "_")
        utterance = f"{speaker}-{subset}-{index:04d}"
        rows.append((utterance, speaker, str(wav_dir / f"{utterance}.wav"), " ".join(words)))
    spoken = tqdm(synthesise(jobs), f"speaking {subset}", size, disable=None, leave=False)
    for job, row, (samples, rate) in zip(jobs, rows, spoken, strict=True):
        speech = audio.resample(samples.astype(np.float32) / 32768.0, rate, fs)
        audio.write(row[2], _add_noise(speech, snr, job.seed), fs)
    return kaldi.make_data_dir(rows)


def _add_noise(speech: np.ndarray, snr: float, seed: int) -> np.ndarray:
    """Add white noise at ``snr`` dB; the sum is scaled to a peak of 0.7, as voices differ in level."""
    noise = np.random.default_rng(seed).standard_normal(len(speech))
    mixed = speech + noise * np.sqrt(np.mean(speech**2) / 10 ** (snr / 10))
    return (0.7 * mixed / np.max(np.abs(mixed))).astype(np.float32)
