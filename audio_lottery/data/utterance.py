"""One utterance of stage 2: its audio checked, cut, made mono, resampled, its speed changed, written."""

import dataclasses
import math
import urllib.parse
from pathlib import Path

from audio_lottery.data import audio, done, kaldi
from audio_lottery.errors import LotteryError

OVERSHOOT = 0.5  # seconds a segment may end after its recording, as Kaldi's extract-segments allows
CONTAINERS = {"wav": ("WAV", "WAVEX", "RF64"), "flac": ("FLAC",)}


@dataclasses.dataclass(frozen=True)
class Options:
    """What the formatted audio must be; durations in seconds, ``fs`` in Hz."""

    fs: int = 8000
    audio_format: str = "wav"
    min_wav_duration: float = 0.1
    max_wav_duration: float = 20.0
    resample: bool = True
    channel: str | None = None  # "mix", or a number from 1
    speeds: tuple[float, ...] = (1.0,)  # each utterance once at each of these
    allow_pipes: bool = False  # run the commands in wav.scp


@dataclasses.dataclass(frozen=True)
class Job:
    """Where an utterance's audio is, and where it goes."""

    utterance: str
    path: str  # source
    segment: kaldi.Segment
    where: str
    folder: str  # where audio is written now
    final: str  # where it will be found
    speed: float = 1.0


@dataclasses.dataclass(frozen=True)
class Result:
    """The formatted audio: ``path`` is the source itself where that fits."""

    path: str = ""
    samples: int = 0
    rate: int = 0  # of the source
    dropped: str = ""  # "short" or "long"


def format_utterance(job: Job, options: Options) -> Result:
    """Write one utterance as the options say, or find that its file fits as it is, or drop it."""
    info = audio.probe(job.path, job.where)
    name = f"{job.where}: {job.path}"
    if job.segment.start >= info.seconds or info.seconds + OVERSHOOT < job.segment.end < math.inf:
        raise LotteryError(
            f"{name}: segment of {job.utterance} ends after the recording's {info.seconds:.2f} s: correct it"
        )
    start = round(job.segment.start * info.rate)
    stop = min(
        info.frames, info.frames if math.isinf(job.segment.end) else round(job.segment.end * info.rate)
    )
    seconds = (stop - start) / info.rate / job.speed
    if seconds < options.min_wav_duration:
        return Result(rate=info.rate, dropped="short")
    if seconds > options.max_wav_duration:
        return Result(rate=info.rate, dropped="long")
    if info.rate != options.fs and not options.resample:
        raise LotteryError(
            f"{name}: {info.rate} Hz, the recipe's rate is {options.fs}: "
            f"give --resample true, or --fs {info.rate}"
        )
    cut = (start, stop) != (0, info.frames)
    fits = info.format in CONTAINERS[options.audio_format] and info.rate == options.fs and job.speed == 1.0
    if fits and not cut and info.channels == 1 and options.channel in (None, "mix", "1"):
        return Result(job.path, info.frames, info.rate)
    samples, rate = audio.read(job.path, start, stop, job.where)
    # Played faster, it has a higher rate: tempo and pitch change together, as with sox's speed.
    samples = audio.resample(audio.to_mono(samples, options.channel, name), rate * job.speed, options.fs)
    relative = Path("wav") / file_name(job.utterance, options.audio_format)
    audio.write(Path(job.folder) / relative, samples, options.fs, options.audio_format)
    return Result(str(Path(job.final) / relative), len(samples), rate)


def file_name(utterance: str, extension: str) -> str:
    """A file name for an utterance id: a slash or another odd character is %-quoted, so ids stay apart."""
    quoted = urllib.parse.quote(utterance, safe="")
    if len(quoted) > 200:  # most file systems allow 255 bytes
        quoted = f"{quoted[:120]}-{done.digest(utterance)[:32]}"
    return f"{quoted}.{extension}"
