"""speechocean762: English read by 250 Mandarin speakers, half of them children, 16 kHz; a test set of other speakers.

Source: https://www.openslr.org/101, Apache-2.0. Layout: Kaldi data folders train/ and test/ whose wav.scp
names audio relative to the corpus's folder, WAVE/SPEAKER0001/000010011.WAV. A copy may be re-encoded
(opus, flac). Some training speakers, evenly chosen by id, are set aside as the dev set.
"""

import argparse
import sys
from pathlib import Path

from audio_lottery.data import download, kaldi
from audio_lottery.data.options import integer
from audio_lottery.data.prepared import write_sets
from audio_lottery.data.recorded import find_root, need_audio
from audio_lottery.data.strings import WORDS
from audio_lottery.errors import LotteryError

URL = "https://www.openslr.org/resources/101/speechocean762.tar.gz"
SIZE = 2500  # utterances in each of train and test


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``audio-lottery prepare speechocean762``."""
    parser.add_argument("--out", type=Path, default=Path("data"), help="parent of train, dev and test")
    parser.add_argument("--speechocean762_root", type=Path, help="a copy of the corpus; downloaded when not given")
    parser.add_argument("--downloads", type=Path, default=Path("downloads"), help="where a download goes")
    parser.add_argument("--dev_speakers", type=integer(1),
                        help="training speakers set aside for dev; by default 12 of 125, of the digits' 26 five")
    parser.add_argument("--subset", choices=("all", "digits"), default="all",
                        help="digits: only the utterances that are strings of digits")  # fmt: skip


def prepare(args: argparse.Namespace) -> None:
    """Find or fetch the corpus and run :func:`prepare_speechocean762` on parsed options."""
    root = args.speechocean762_root or download.fetch(URL, args.downloads / "speechocean762")
    digits = args.subset == "digits"
    prepare_speechocean762(root, args.out, args.dev_speakers or (5 if digits else 12), digits)


def prepare_speechocean762(root: Path, out: Path, dev_speakers: int = 12, digits: bool = False) -> None:
    """Write ``out/{train,dev,test}``.

    Args:
        dev_speakers: how many training speakers become the dev set.
        digits: keep only utterances whose words are all digits, ZERO to NINE.

    Raises:
        LotteryError: parts missing, tables that do not fit, audio that is not there.
    """
    needed = [f"{name}/{table}" for name in ("train", "test") for table in kaldi.REQUIRED]
    root = find_root("speechocean762_root", root, ["WAVE", *needed], "speechocean762")
    whole = {name: _read(root, name) for name in ("train", "test")}
    if digits:
        whole = {name: _only_digits(data) for name, data in whole.items()}
    speakers = whole["train"].speakers
    if dev_speakers >= len(speakers):
        raise LotteryError(f"--dev_speakers {dev_speakers}: leaves none of {len(speakers)} for training: give less")
    dev = {speakers[i * len(speakers) // dev_speakers] for i in range(dev_speakers)}
    train, spoken_by = whole["train"], whole["train"].utt2spk
    write_sets(out, {
        "train": train.subset([utterance for utterance in train.utterances if spoken_by[utterance] not in dev]),
        "dev": train.subset([utterance for utterance in train.utterances if spoken_by[utterance] in dev]),
        "test": whole["test"],
    })


def _read(root: Path, name: str) -> kaldi.DataDir:
    data = kaldi.DataDir.read(root / name)
    if len(data.text) != SIZE:
        print(f"note: {root / name}: {len(data.text)} of {SIZE} utterances: scores will not compare", file=sys.stderr)
    for utterance, path in data.wav.items():
        data.wav[utterance] = str(need_audio(root, path, data.wav.where(utterance)))
    return data


def _only_digits(data: kaldi.DataDir) -> kaldi.DataDir:
    return data.subset([utterance for utterance in data.utterances if set(data.text[utterance].split()) <= set(WORDS)])
