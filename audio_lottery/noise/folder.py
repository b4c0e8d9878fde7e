"""A noisy copy of a data folder."""

import functools
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from audio_lottery import fileio
from audio_lottery.data import audio, done, kaldi
from audio_lottery.data.format import file_name
from audio_lottery.errors import LotteryError
from audio_lottery.lock import locked
from audio_lottery.noise.mix import Mixer
from audio_lottery.noise.sources import Babble, Recordings
from audio_lottery.processes import end_with_pool

VERSION = 1  # raise when the output changes
MARKER, RECORD = ".noise.done", "noise.jsonl"


def write_noisy(source: str | Path, out: str | Path, mixer: Mixer, settings: Sequence[object], nj: int = 1) -> int:
    """Write every utterance of the folder ``source``, noisy, below ``out``; returns their number, 0 if done before.

    The audio has the rate of the original, 16 bits, one channel. ``out/noise.jsonl`` says what was added to
    which utterance. ``settings``: what the mixer was made from; with the input's files it decides whether
    a finished folder is still right.
    """
    source, out = Path(source), Path(out)
    data = kaldi.DataDir.read(source)
    if out.resolve() == source.resolve():
        raise LotteryError(f"{out}: is the clean set itself: choose another --out")
    stamps = {path: done.stamp(path) for path in data.wav.values()}
    tables = [sorted(table.items()) for table in (data.wav, data.text, data.utt2spk, data.segment_lines or {})]
    files = [[str(s.root), s.names] if isinstance(s, Recordings) else s.names if isinstance(s, Babble) else []
             for s in mixer.sources]  # fmt: skip
    key = done.digest("noise", VERSION, list(settings), tables, stamps, files)
    if done.finished(out / MARKER, key):
        return 0
    with locked(out, "preparation of data", beside=True):
        return _write(data, out, mixer, key, nj)


def _write(data: kaldi.DataDir, out: Path, mixer: Mixer, key: str, nj: int) -> int:
    if out.exists() and any(out.iterdir()) and not (out / MARKER).exists() and not (out / RECORD).exists():
        raise LotteryError(f"{out}: holds files this command did not write: move it away, or choose another --out")
    (out / MARKER).unlink(missing_ok=True)
    fileio.write_text(out / RECORD, "")  # marks the folder as this command's, also when it is killed
    (out / "wav.scp").unlink(missing_ok=True)  # a folder without it is no data folder
    rows = list(_run(functools.partial(_one, data, mixer, out), data.utterances, nj))
    noisy = data.subset(data.utterances)
    noisy.wav = kaldi.Table({row["utterance"]: row.pop("path") for row in rows})
    noisy.segments = noisy.segment_lines = None
    kaldi.write_table(out / "utt2num_samples", {row["utterance"]: row.pop("samples") for row in rows})
    fileio.write_text(out / "feats_type", "raw\n")
    fileio.write_jsonl(out / RECORD, rows)
    os.sync()  # the audio files were not synced one by one
    noisy.write(out)
    done.finish(out / MARKER, key, [path for path in out.rglob("*") if path.is_file()])
    return len(rows)


def _run(function, utterances: list[str], nj: int) -> Iterator[dict]:
    if nj <= 1 or len(utterances) < 2:
        yield from map(function, utterances)
        return
    # A fork of a process with threads may hang.
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(min(nj, len(utterances)), context, end_with_pool) as pool:
        yield from pool.map(function, utterances, chunksize=32)


def _one(data: kaldi.DataDir, mixer: Mixer, out: Path, utterance: str) -> dict:
    cut, where = data.source(utterance), data.where(utterance)
    path = data.wav[cut.recording]
    rate = audio.probe(path, where).rate
    stop = None if np.isinf(cut.end) else round(cut.end * rate)
    samples, _ = audio.read(path, round(cut.start * rate), stop, where)
    speech = audio.to_mono(samples, None, f"{where}: {path}")
    noisy, mixed = mixer(utterance, speech, rate)
    target = out / "wav" / file_name(utterance, "wav")
    audio.write(target, noisy, rate)
    row = mixed.row(utterance) if mixed else {"utterance": utterance, "noise": None}
    return row | {"path": str(target), "samples": len(noisy)}
