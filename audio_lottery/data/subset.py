"""A data folder, or a formatted set of it, cut down to the utterances of some speakers."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from audio_lottery import fileio
from audio_lottery.data import done, kaldi
from audio_lottery.data.folder import make_folder
from audio_lottery.errors import LotteryError

# Tables of one line an utterance, and files about all of them.
TABLES = ("text", "utt2spk", "segments", "feats.scp", "utt2num_samples", "utt2num_frames")
WHOLE = ("feats_type", "feats_dim", "audio_format", "feats.json", "front_end.safetensors")


def take_speakers(source: Path, out: Path, speakers: Sequence[str]) -> int:
    """Write the utterances of ``speakers`` to ``out``, unless that was done; their number.

    Tables alone are written: they name the same audio, or features.

    Raises:
        LotteryError: a speaker that the folder doesn't have.
    """
    utt2spk = kaldi.read_table(source / "utt2spk")
    known = sorted(set(utt2spk.values()))
    for speaker in speakers:
        if speaker not in known:
            shown = ", ".join(known[:10]) + (", ..." if len(known) > 10 else "")
            raise LotteryError(f"{source / 'utt2spk'}: has no speaker {speaker}: choose from {shown}")
    if out.resolve() == source.resolve():
        raise LotteryError(f"{out}: is the folder itself: choose another --out")
    kept = {utterance: speaker for utterance, speaker in utt2spk.items() if speaker in speakers}
    files = [source / name for name in (*TABLES, *WHOLE, "wav.scp") if (source / name).is_file()]
    key = done.digest("speakers", sorted(set(speakers)), [fileio.sha256(path) for path in files])
    make_folder(out, key, lambda folder: _write(source, folder, kept))
    return len(kept)


def _write(source: Path, out: Path, utterances: dict[str, str]) -> None:
    for name in (name for name in TABLES if (source / name).is_file()):
        _copy(source / name, out / name, set(utterances))
    kaldi.write_table(out / "spk2utt", kaldi.spk2utt(utterances))
    for name in (name for name in WHOLE if (source / name).is_file()):
        shutil.copyfile(source / name, out / name)
    if (source / "wav.scp").is_file():
        segments = out / "segments"
        recordings = {one.recording for one in kaldi.parse_segments(kaldi.read_table(segments)).values()} \
            if segments.is_file() else set(utterances)
        _copy(source / "wav.scp", out / "wav.scp", recordings)


def _copy(source: Path, out: Path, keys: set[str]) -> None:
    table = kaldi.read_table(source)
    for key in sorted(keys - table.keys()):
        raise LotteryError(f"{source}: has no line of {key}: run the stage that writes it again")
    kaldi.write_table(out, {key: table[key] for key in keys})
