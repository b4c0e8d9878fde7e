"""Common Voice: sentences read by volunteers, any language, mp3 clips, split by speaker by its makers.

Source: https://commonvoice.mozilla.org, CC0; a release is fetched by hand, as its makers ask for a consent.
Layout of a language's folder: clips/*.mp3 and train.tsv, dev.tsv, test.tsv, validated.tsv, with the
columns client_id, path, sentence and others. All three splits hold validated clips only.
"""

import argparse
import collections
from pathlib import Path

from audio_lottery.data import done, kaldi
from audio_lottery.data.prepared import write_sets
from audio_lottery.data.recorded import find_root, need_audio
from audio_lottery.data.textnorm import STYLES, normalise
from audio_lottery.errors import LotteryError

HOME = "https://commonvoice.mozilla.org/datasets"
COLUMNS = ("client_id", "path", "sentence")
Row = dict[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``audio-lottery prepare commonvoice``."""
    parser.add_argument("--out", type=Path, default=Path("data"), help="parent of train, dev and test")
    parser.add_argument("--commonvoice_root", type=Path, help="an unpacked release, or a language's folder in it")
    parser.add_argument("--lang", default="en", help="language, as the release names its folder: en, cy, zh-TW")
    parser.add_argument("--train_from", choices=("train", "validated"), default="train",
                        help="train.tsv, or every validated clip of speakers and sentences not in dev and test")
    parser.add_argument("--text_style", choices=STYLES, default="lower",
                        help="raw: as in the release; lower, upper: no punctuation, one case")  # fmt: skip


def prepare(args: argparse.Namespace) -> None:
    """Run :func:`prepare_commonvoice` on parsed options."""
    if args.commonvoice_root is None:
        raise LotteryError(f"--commonvoice_root: is not given: get the language's archive at {HOME}, unpack it, and "
                           "name its folder here")
    prepare_commonvoice(args.commonvoice_root, args.out, args.lang, args.train_from, args.text_style)


def prepare_commonvoice(root: Path, out: Path, lang: str, train_from: str = "train", style: str = "lower") -> None:
    """Write ``out/{train,dev,test}``.

    Args:
        train_from: the tsv of the training set; ``validated`` is taken without dev's and test's clips, speakers
            and sentences.
        style: of the text, see :func:`audio_lottery.data.textnorm.normalise`.

    Raises:
        LotteryError: another language or the release of 2017, parts missing, a clip that is not there.
    """
    root = root / lang if (root / lang).is_dir() else root
    if (root / "cv-valid-train.csv").is_file():
        raise LotteryError(f"--commonvoice_root {root}: the release of 2017, of csv tables: get a newer at {HOME}")
    needed = ["clips", *(f"{name}.tsv" for name in sorted({train_from, "dev", "test"}))]
    root = find_root("commonvoice_root", root, needed, f"Common Voice in language {lang}")
    rows = {name: read_tsv(root / f"{source}.tsv", lang)
            for name, source in (("train", train_from), ("dev", "dev"), ("test", "test"))}
    if train_from == "validated":
        kept = [row for name in ("dev", "test") for row in rows[name]]
        speakers, sentences = ({row[column] for row in kept} for column in ("client_id", "sentence"))
        rows["train"] = [row for row in rows["train"]
                         if row["client_id"] not in speakers and row["sentence"] not in sentences]
    write_sets(out, {name: _make_set(root, part, style) for name, part in rows.items()})


def read_tsv(path: Path, lang: str) -> list[Row]:
    """The lines of a release's table as column -> value, with ``where`` (file:line) added.

    Fields are not quoted: a quotation mark belongs to the sentence.
    """
    lines = kaldi.read_lines(path)
    header = lines[0].split("\t")
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise LotteryError(f"{path}:1: no column {', '.join(missing)}: give a table of Common Voice")
    rows = []
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        fields = line.split("\t")
        if len(fields) != len(header):
            raise LotteryError(f"{path}:{number}: {len(fields)} fields, the header has {len(header)}: restore the file")
        row = dict(zip(header, fields, strict=True), where=f"{path}:{number}")
        if row.get("locale", lang) != lang:
            raise LotteryError(f"{path}:{number}: language {row['locale']}, not {lang}: give --lang {row['locale']}")
        rows.append(row)
    return rows


def _make_set(root: Path, rows: list[Row], style: str) -> kaldi.DataDir:
    made, dropped = {}, collections.Counter[str]()
    for row in rows:
        text = normalise(row["sentence"], style)
        if not text:
            dropped["without a letter"] += 1
            continue
        name = row["path"] if Path(row["path"]).suffix else f"{row['path']}.mp3"  # as in the releases of 2019
        path = need_audio(root / "clips", name, row["where"])
        speaker = done.digest(row["client_id"])[:16]
        utterance = f"{speaker}-{path.stem}"
        if utterance in made:
            dropped["seen before"] += 1
            continue
        made[utterance] = (utterance, speaker, str(path), text)
    for reason, count in dropped.items():
        print(f"note: {Path(rows[0]['where']).name.split(':')[0]}: dropped {count} sentences {reason}")
    return kaldi.make_data_dir(list(made.values()))
