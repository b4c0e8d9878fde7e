"""LibriSpeech: 960 hours of read English audiobooks, 16 kHz, in parts such as train-clean-100.

Source: https://www.openslr.org/12, CC BY 4.0. Layout: PART/SPEAKER/CHAPTER/ with
SPEAKER-CHAPTER-NUMBER.flac and SPEAKER-CHAPTER.trans.txt. A part may be cut down to speakers, as
test-other/1688. The parts of train and dev are joined into one set each; each test part is a set,
test_clean for test-clean.
"""

import argparse
import sys
from pathlib import Path

from audio_lottery.data import download, kaldi
from audio_lottery.data.prepared import write_sets
from audio_lottery.data.recorded import audio_files, find_root
from audio_lottery.errors import LotteryError

URL = "https://www.openslr.org/resources/12/{}.tar.gz"
# part -> (utterances, SHA-256 of its archive, as torchaudio's loader of the corpus has it)
PARTS = {
    "train-clean-100": (28539, "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2"),
    "train-clean-360": (104014, "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf"),
    "train-other-500": (148688, "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2"),
    "dev-clean": (2703, "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3"),
    "dev-other": (2864, "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365"),
    "test-clean": (2620, "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23"),
    "test-other": (2939, "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29"),
}
TRAIN_960 = ["train-clean-100", "train-clean-360", "train-other-500"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``audio-lottery prepare librispeech``."""
    parser.add_argument("--out", type=Path, default=Path("data"), help="parent of train, dev and the test sets")
    parser.add_argument("--librispeech_root", type=Path,
                        help="a copy of the corpus, the folder LibriSpeech; downloaded when not given")  # fmt: skip
    parser.add_argument("--downloads", type=Path, default=Path("downloads"), help="where a download goes")
    parser.add_argument("--train_parts", nargs="+", default=TRAIN_960, metavar="PART", help="parts of train")
    parser.add_argument("--dev_parts", nargs="+", default=["dev-clean", "dev-other"], metavar="PART",
                        help="parts of dev")  # fmt: skip
    parser.add_argument("--test_parts", nargs="+", default=["test-clean", "test-other"], metavar="PART",
                        help="a test set each")  # fmt: skip


def prepare(args: argparse.Namespace) -> None:
    """Find or fetch the parts and run :func:`prepare_librispeech` on parsed options."""
    # Also split within an argument, as a recipe hands 'a b' on in one.
    train, dev, tests = (" ".join(parts).split() for parts in (args.train_parts, args.dev_parts, args.test_parts))
    sets = {"train": train, "dev": dev}
    for part in tests:
        sets.setdefault(_archive(part).replace("-", "_"), []).append(part)
    root = args.librispeech_root or fetch(args.downloads, [part for parts in sets.values() for part in parts])
    prepare_librispeech(root, args.out, sets)


def fetch(downloads: Path, parts: list[str], url: str = URL) -> Path:
    """Download and unpack the parts that are not there yet; returns the corpus's folder."""
    root = downloads / "LibriSpeech"
    root.mkdir(parents=True, exist_ok=True)
    for name in sorted({_archive(part) for part in parts}):
        download.fetch(url.format(name), root / name, name, PARTS[name][1])
    return root


def prepare_librispeech(root: Path, out: Path, sets: dict[str, list[str]]) -> None:
    """Write a data folder below ``out`` for each set, made of its parts.

    Args:
        root: the folder LibriSpeech, or its parent.
        sets: set -> parts, or folders of speakers in them.

    Raises:
        LotteryError: parts missing (says which), audio without transcript or the reverse, another corpus.
    """
    if (root / "LibriSpeech").is_dir():
        root = root / "LibriSpeech"
    wanted = {part: _archive(part) for parts in sets.values() for part in parts}
    root = find_root("librispeech_root", root, list(wanted), "LibriSpeech")
    found = {part: _read_part(root / part) for part in wanted}
    for part, rows in found.items():
        if part in PARTS and len(rows) != PARTS[part][0]:
            print(f"note: {root / part}: {len(rows)} of {PARTS[part][0]} utterances: scores will not compare",
                  file=sys.stderr)
    write_sets(out, {name: kaldi.make_data_dir([row for part in dict.fromkeys(parts) for row in found[part]])
                     for name, parts in sets.items()})


def _archive(part: str) -> str:
    """The part of the corpus that a part, or a folder in it, belongs to."""
    name = part.split("/")[0]
    if name not in PARTS:
        raise LotteryError(f"{part}: no part of LibriSpeech: choose among {', '.join(PARTS)}, or speakers in one, "
                           "as test-other/1688")
    return name


def _read_part(folder: Path) -> list[tuple[str, str, str, str]]:
    transcripts = sorted(folder.rglob("*.trans.txt"))
    if not transcripts:
        other = " (it holds LibriTTS)" if next(folder.rglob("*.trans.tsv"), None) else ""
        raise LotteryError(f"{folder}: no SPEAKER-CHAPTER.trans.txt below it{other}: give LibriSpeech's own folder")
    rows = []
    for path in transcripts:
        table, audio = kaldi.read_table(path), audio_files(path.parent)
        for utterance, words in table.items():
            if utterance not in audio:
                raise LotteryError(f"{table.where(utterance)}: no audio {path.parent / utterance}.flac: restore the "
                                   "file, or remove the transcript")
            rows.append((utterance, utterance.split("-")[0], str(audio.pop(utterance)), words))
        if audio:
            raise LotteryError(f"{audio[min(audio)]}: no transcript in {path.name}: restore {path.name}")
    heard = {path.parent for path in transcripts}
    silent = [path for path in folder.rglob("*.flac") if path.parent not in heard]
    if silent:
        raise LotteryError(f"{min(silent)}: no .trans.txt beside it: restore the chapter's transcripts")
    return rows
