"""Stage 2: from a data folder to ``dump/raw/<set>``: every audio checked, right in rate and channels."""

import dataclasses
import math
import multiprocessing
import os
import shutil
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tqdm import tqdm

from audio_lottery import fileio
from audio_lottery.data import audio, done, kaldi
from audio_lottery.errors import LotteryError

VERSION = 1  # raise when the output changes
MARKER = ".done"
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


@dataclasses.dataclass(frozen=True)
class _Job:
    utterance: str
    path: str  # source
    segment: kaldi.Segment
    where: str
    folder: str  # where audio is written now
    final: str  # where it will be found


@dataclasses.dataclass(frozen=True)
class _Result:
    path: str = ""
    samples: int = 0
    rate: int = 0  # of the source
    dropped: str = ""  # "short" or "long"


def format_data(source: str | Path, dump: str | Path, options: Options, nj: int = 1) -> bool:
    """Make ``dump`` from the data folder ``source``; returns False when it was there already.

    The folder is made beside ``dump`` and renamed when it is whole, so a killed run leaves ``dump``
    as it was.

    Raises:
        LotteryError: a data folder that does not fit together, damaged audio, several channels
            without a choice, another rate with ``resample`` off, or nothing left.
    """
    source, dump = Path(source), Path(dump)
    data = kaldi.DataDir.read(source)
    key = _digest(data, dump, options)
    if done.finished(dump / MARKER, key):
        return False
    if dump.exists() and not (dump / MARKER).is_file() and any(dump.iterdir()):
        raise LotteryError(f"{dump}: holds files this command did not write: move it away, or choose another")
    dump.parent.mkdir(parents=True, exist_ok=True)
    temporary = dump.parent / f".{dump.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)  # of a killed run
    try:
        temporary.mkdir()
        _write(data, temporary, dump, options, nj)
        os.sync()
        done.finish(temporary / MARKER, key, [path for path in temporary.rglob("*") if path.is_file()])
        _swap(temporary, dump)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return True


def _digest(data: kaldi.DataDir, dump: Path, options: Options) -> str:
    stamps = {path: done.stamp(path) for path in data.wav.values()}
    tables = [sorted(t.items()) for t in (data.wav, data.text, data.utt2spk, data.segment_lines or {})]
    return done.digest("format", VERSION, str(dump), dataclasses.asdict(options), tables, stamps)


def _swap(temporary: Path, dump: Path) -> None:
    """Put the new folder in the old one's place."""
    old = temporary.with_suffix(".old")
    shutil.rmtree(old, ignore_errors=True)  # of a killed run
    if dump.exists():
        os.rename(dump, old)
    os.rename(temporary, dump)
    fileio.fsync(dump.parent)
    shutil.rmtree(old, ignore_errors=True)


def _write(data: kaldi.DataDir, folder: Path, final: Path, options: Options, nj: int) -> None:
    utterances = data.utterances
    jobs = []
    for utterance in utterances:
        segment = data.source(utterance)
        jobs.append(_Job(utterance, data.wav[segment.recording], segment, data.where(utterance),
                         str(folder), str(final)))  # fmt: skip
    formatted = tqdm(
        _run(jobs, options, nj), f"format {data.wav.path.parent}", len(jobs), disable=None, leave=False
    )
    results = dict(zip(utterances, formatted, strict=True))
    kept = [u for u in utterances if not results[u].dropped]
    report(data, results, options)
    if not kept:
        raise LotteryError(
            f"{data.wav.path}: no utterance of {options.min_wav_duration:g} to "
            f"{options.max_wav_duration:g} s: change --min_wav_duration or --max_wav_duration"
        )
    kept_data = data.subset(kept)
    kept_data.wav = kaldi.Table({u: results[u].path for u in kept})
    kept_data.segments = kept_data.segment_lines = None
    kept_data.write(folder)
    kaldi.write_table(folder / "utt2num_samples", {u: results[u].samples for u in kept})
    fileio.write_text(folder / "feats_type", "raw\n")


def report(data: kaldi.DataDir, results: dict[str, _Result], options: Options) -> None:
    """Print what was resampled and what was dropped, a line each."""
    rates = sorted({r.rate for r in results.values() if r.rate != options.fs and not r.dropped})
    if rates:
        names = ", ".join(str(rate) for rate in rates)
        print(f"note: {data.wav.path.parent}: audio resampled from {names} Hz to {options.fs} Hz")
    for what, limit in (("short", options.min_wav_duration), ("long", options.max_wav_duration)):
        count = sum(r.dropped == what for r in results.values())
        if count:
            bound = "shorter" if what == "short" else "longer"
            print(f"note: {data.wav.path.parent}: dropped {count} utterances {bound} than {limit:g} s")


def _run(jobs: list[_Job], options: Options, nj: int) -> Iterator[_Result]:
    if nj <= 1 or len(jobs) < 2:
        yield from (_format(job, options) for job in jobs)
        return
    # A fork of a process with threads (a progress bar has one) may hang.
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(min(nj, len(jobs)), context) as pool:
        try:
            yield from pool.map(_format, jobs, [options] * len(jobs), chunksize=32)
        except BaseException:
            # Waits for running jobs: none may write after the folder has been removed.
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _format(job: _Job, options: Options) -> _Result:
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
    seconds = (stop - start) / info.rate
    if seconds < options.min_wav_duration:
        return _Result(rate=info.rate, dropped="short")
    if seconds > options.max_wav_duration:
        return _Result(rate=info.rate, dropped="long")
    if info.rate != options.fs and not options.resample:
        raise LotteryError(
            f"{name}: {info.rate} Hz, the recipe's rate is {options.fs}: "
            f"give --resample true, or --fs {info.rate}"
        )
    cut = (start, stop) != (0, info.frames)
    fits = info.format in CONTAINERS[options.audio_format] and info.rate == options.fs
    if fits and not cut and info.channels == 1 and options.channel in (None, "mix", "1"):
        return _Result(job.path, info.frames, info.rate)
    samples, rate = audio.read(job.path, start, stop, job.where)
    samples = audio.resample(audio.to_mono(samples, options.channel, name), rate, options.fs)
    relative = Path("wav") / file_name(job.utterance, options.audio_format)
    audio.write(Path(job.folder) / relative, samples, options.fs, options.audio_format)
    return _Result(str(Path(job.final) / relative), len(samples), rate)


def file_name(utterance: str, extension: str) -> str:
    """A file name for an utterance id: a slash or another odd character is %-quoted, so ids stay apart."""
    quoted = urllib.parse.quote(utterance, safe="")
    if len(quoted) > 200:  # most file systems allow 255 bytes
        quoted = f"{quoted[:120]}-{done.digest(utterance)[:32]}"
    return f"{quoted}.{extension}"
