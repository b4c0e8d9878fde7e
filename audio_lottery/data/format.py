"""Stage 2: from a data folder to ``dump/raw/<set>``: every audio checked, right in rate and channels."""

import dataclasses
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tqdm import tqdm

from audio_lottery import fileio
from audio_lottery.data import done, kaldi, pipes
from audio_lottery.data.folder import make_folder
from audio_lottery.data.utterance import Job, Options, Result, file_name, format_utterance
from audio_lottery.errors import LotteryError
from audio_lottery.processes import end_with_pool

VERSION = 1  # raise when the output changes
PIPED = "piped"


def format_data(source: str | Path, dump: str | Path, options: Options, nj: int = 1) -> bool:
    """Make ``dump`` from the data folder ``source``; returns False when it was there already.

    The folder is made beside ``dump`` and renamed when it is whole, so a killed run leaves ``dump``
    as it was.

    Raises:
        LotteryError: a data folder that does not fit together, damaged audio, several channels
            without a choice, another rate with ``resample`` off, or nothing left.
    """
    source, dump = Path(source), Path(dump)
    data = kaldi.DataDir.read(source, options.allow_pipes)
    key = _digest(data, dump, options)
    return make_folder(dump, key, lambda temporary: _write(data, temporary, dump, options, nj))


def _digest(data: kaldi.DataDir, dump: Path, options: Options) -> str:
    stamps = {path: done.stamp(path) for path in data.wav.values()}
    tables = [sorted(t.items()) for t in (data.wav, data.text, data.utt2spk, data.segment_lines or {})]
    chosen = dataclasses.asdict(options)
    chosen.pop("allow_pipes")  # the tables say what is run
    if chosen["speeds"] == (1.0,):
        chosen.pop("speeds")
    return done.digest("format", VERSION, str(dump), chosen, tables, stamps)


def _write(data: kaldi.DataDir, folder: Path, final: Path, options: Options, nj: int) -> None:
    piped = _run_pipes(data, folder / PIPED, nj)
    sources = [(utterance, speed) for speed in options.speeds for utterance in data.utterances]
    jobs = []
    for utterance, speed in sources:
        segment = data.source(utterance)
        path = piped.get(segment.recording) or data.wav[segment.recording]
        jobs.append(Job(perturbed(utterance, speed), path, segment, data.where(utterance), str(folder), str(final),
                        speed))  # fmt: skip
    formatted = tqdm(
        _run(jobs, options, nj), f"format {data.wav.path.parent}", len(jobs), disable=None, leave=False
    )
    results = {job.utterance: result for job, result in zip(jobs, formatted, strict=True)}
    report(data, results, options)
    text, speakers, wav, counts = (kaldi.Table() for _ in range(4))
    for job, (utterance, speed) in zip(jobs, sources, strict=True):
        result = results[job.utterance]
        if result.dropped:
            continue
        text[job.utterance] = data.text[utterance]
        speakers[job.utterance] = perturbed(data.utt2spk[utterance], speed)
        wav[job.utterance] = _moved(result.path, folder, final)
        counts[job.utterance] = str(result.samples)
    if not wav:
        raise LotteryError(
            f"{data.wav.path}: no utterance of {options.min_wav_duration:g} to "
            f"{options.max_wav_duration:g} s: change --min_wav_duration or --max_wav_duration"
        )
    used = set(wav.values())
    for path in piped.values():
        if _moved(path, folder, final) not in used:
            os.unlink(path)
    kaldi.DataDir(wav, text, speakers).write(folder)
    kaldi.write_table(folder / "utt2num_samples", counts)
    fileio.write_text(folder / "feats_type", "raw\n")


def perturbed(name: str, speed: float) -> str:
    """The id of an utterance or a speaker at another speed, as ESPnet names it: sp0.9-NAME."""
    return name if speed == 1.0 else f"sp{speed:g}-{name}"


def _moved(path: str, folder: Path, final: Path) -> str:
    """Where a file of the folder will be once that has its final name; other files stay where they are."""
    inside = Path(path).is_relative_to(folder)
    return str(final / Path(path).relative_to(folder)) if inside else path


def _run_pipes(data: kaldi.DataDir, folder: Path, nj: int) -> dict[str, str]:
    """Run the commands in wav.scp; recording -> file of its output, for those that are commands."""
    commands = {recording: (value, folder / file_name(recording, "audio"), data.wav.where(recording))
                for recording, value in data.wav.items() if pipes.is_pipe(value)}
    pipes.run_all(commands, nj)
    return {recording: str(path) for recording, (_, path, _) in commands.items()}


def report(data: kaldi.DataDir, results: dict[str, Result], options: Options) -> None:
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


def _run(jobs: list[Job], options: Options, nj: int) -> Iterator[Result]:
    if nj <= 1 or len(jobs) < 2:
        yield from (format_utterance(job, options) for job in jobs)
        return
    # A fork of a process with threads (a progress bar has one) may hang.
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(min(nj, len(jobs)), context, end_with_pool) as pool:
        try:
            yield from pool.map(format_utterance, jobs, [options] * len(jobs), chunksize=32)
        except BaseException:
            # Waits for running jobs: none may write after the folder has been removed.
            pool.shutdown(wait=True, cancel_futures=True)
            raise
