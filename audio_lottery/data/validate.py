"""Check a data folder with its audio and count what it holds."""

import math
import sys
from pathlib import Path

from audio_lottery.data import audio, kaldi
from audio_lottery.data.pipes import is_pipe
from audio_lottery.errors import LotteryError


def validate(folder: str | Path, check_audio: bool = True, allow_pipes: bool = False) -> dict:
    """Check the tables of a folder, and its audio unless told not to; write them again if unsorted.

    Commands in wav.scp are refused or, with ``allow_pipes``, let pass without being run: stage 2 does.

    Returns:
        folder, utterances, speakers, words, and seconds (of the utterances; None when not known).

    Raises:
        LotteryError: the first fault.
    """
    folder = Path(folder)
    data = kaldi.DataDir.read(folder, allow_pipes)
    seconds = _seconds(data) if check_audio and not any(map(is_pipe, data.wav.values())) else None
    sort(folder, data)
    return {
        "folder": str(folder),
        "utterances": len(data.text),
        "speakers": len(data.speakers),
        "words": sum(len(text.split()) for text in data.text.values()),
        "seconds": seconds,
    }


def sort(folder: Path, data: kaldi.DataDir) -> None:
    """Write a folder's tables again when one is unsorted or ``spk2utt`` is missing."""
    tables = [data.wav, data.text, data.utt2spk] + ([data.segment_lines] if data.segment_lines else [])
    for table in tables:
        if not kaldi.is_sorted(table):
            kaldi.write_table(table.path, table)
            print(f"note: {table.path}: sorted", file=sys.stderr)
    if not (folder / "spk2utt").is_file():
        kaldi.write_table(folder / "spk2utt", kaldi.spk2utt(data.utt2spk))


def _seconds(data: kaldi.DataDir) -> float:
    infos = {recording: audio.probe(path, data.wav.where(recording)) for recording, path in data.wav.items()}
    counts = data.wav.path.parent / "utt2num_samples"
    if counts.is_file():
        _check_counts(kaldi.read_table(counts), data, infos)
    total = 0.0
    for utterance in data.utterances:
        segment = data.source(utterance)
        length = infos[segment.recording].seconds
        total += (
            min(segment.end, length) - segment.start
            if not math.isinf(segment.end)
            else length - segment.start
        )
    return total


def _check_counts(counts: kaldi.Table, data: kaldi.DataDir, infos: dict[str, audio.AudioInfo]) -> None:
    for utterance in data.utterances:
        frames = infos[data.source(utterance).recording].frames
        if counts.get(utterance) != str(frames):
            where = counts.where(utterance)
            raise LotteryError(f"{where}: {utterance} has {frames} samples in its audio: run stage 2 again")
