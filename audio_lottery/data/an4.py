"""AN4: spelled words, dates and numbers, 16 kHz NIST sphere; 948 training and 130 test utterances.

Source: http://www.speech.cs.cmu.edu/databases/an4 (an4_sphere.tar.gz). ``mini`` is the excerpt of seven
utterances that ESPnet tests with. Layout: etc/an4_{train,test}.transcription and
wav/{an4_clstk,an4test_clstk}/SPEAKER/ID-SPEAKER-b.sph. There is no dev set: as in ESPnet's recipe it is
cut from the training set, its first utterances by id, so their speakers are heard in training too.
"""

import argparse
import re
import sys
from pathlib import Path

from audio_lottery.data import download, kaldi
from audio_lottery.data.options import integer
from audio_lottery.data.prepared import write_sets
from audio_lottery.data.recorded import find_root, need_audio
from audio_lottery.errors import LotteryError

URL = "http://www.speech.cs.cmu.edu/databases/an4/an4_sphere.tar.gz"
MINI_URL = "https://raw.githubusercontent.com/espnet/espnet/master/egs2/mini_an4/asr1/downloads.tar.gz"
MINI_SHA256 = "cedcf3b05da3d1968a5a59f83d3180adb192e9e21ebc5f2f8a3d90fec5feaff9"
SIZES = {False: {"train": 948, "test": 130}, True: {"train": 5, "test": 2}}
FOLDERS = {"train": "an4_clstk", "test": "an4test_clstk"}
LINE = re.compile(r"(?:<s>)?(.*?)(?:</s>)?\s*\((\S+)\)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``audio-lottery prepare an4``."""
    parser.add_argument("--out", type=Path, default=Path("data"), help="parent of train, dev and test")
    parser.add_argument("--an4_root", type=Path,
                        help="a copy: the folder that holds etc/ and wav/, or its archive; downloaded when not given")
    parser.add_argument("--downloads", type=Path, default=Path("downloads"), help="where a download goes")
    parser.add_argument("--mini", action="store_true", help="ESPnet's excerpt mini_an4")
    parser.add_argument("--dev_size", type=integer(1), help="utterances cut off for dev; by default 100, mini: 1")


def prepare(args: argparse.Namespace) -> None:
    """Find or fetch the corpus and run :func:`prepare_an4` on parsed options."""
    root = args.an4_root
    if root is None or root.is_file():
        root = fetch(args.downloads, args.mini, root)
    prepare_an4(root, args.out, args.dev_size or (1 if args.mini else 100), SIZES[args.mini])


def fetch(downloads: Path, mini: bool, archive: Path | None = None) -> Path:
    """Unpack the archive, downloaded when none is given, unless done before; returns the corpus's folder."""
    root = downloads / ("mini_an4" if mini else "an4")
    inside = "an4" if mini else ""
    if archive is None:
        url, sha256 = (MINI_URL, MINI_SHA256) if mini else (URL, None)
        return download.fetch(url, root, inside, sha256)
    if not root.is_dir():
        root.parent.mkdir(parents=True, exist_ok=True)
        download.extract(archive, root, inside)
    return root


def prepare_an4(root: Path, out: Path, dev_size: int, sizes: dict[str, int]) -> None:
    """Write ``out/{train,dev,test}``.

    Args:
        dev_size: training utterances, the first by id, that become the dev set.
        sizes: utterances that train (with dev) and test have in a whole copy; others are noted.

    Raises:
        LotteryError: parts missing, the raw release instead of sphere, or a transcript without audio.
    """
    if not (root / "etc").is_dir() and (root / "an4").is_dir():
        root = root / "an4"
    needed = [f"etc/an4_{name}.transcription" for name in FOLDERS] + [f"wav/{name}" for name in FOLDERS.values()]
    root = find_root("an4_root", root, needed, "AN4")
    rows = {name: _read(root, name) for name in FOLDERS}
    for name, size in sizes.items():
        if len(rows[name]) != size:
            print(f"note: {root}: {len(rows[name])} utterances of {name}, a whole copy has {size}: scores will not "
                  "compare", file=sys.stderr)
    if dev_size >= len(rows["train"]):
        raise LotteryError(f"--dev_size {dev_size}: leaves none of {len(rows['train'])} for training: give less")
    ordered = sorted(rows["train"])
    chosen = {"train": ordered[dev_size:], "dev": ordered[:dev_size], "test": rows["test"]}
    write_sets(out, {name: kaldi.make_data_dir(part) for name, part in chosen.items()})


def _read(root: Path, name: str) -> list[tuple[str, str, str, str]]:
    path, rows = root / f"etc/an4_{name}.transcription", []
    for number, line in enumerate(kaldi.read_lines(path), 1):
        if not line.strip():
            continue
        found, where = LINE.fullmatch(line.strip()), f"{path}:{number}"
        fields = found[2].split("-") if found else []
        if len(fields) != 3:
            raise LotteryError(f"{where}: not 'WORDS (ID-SPEAKER-b)': restore the file")
        if not found[1].strip():
            raise LotteryError(f"{where}: empty transcript of {found[2]}: restore the file")
        folder, file = root / "wav" / FOLDERS[name], Path(fields[1], f"{found[2]}.sph")
        if (folder / file).with_suffix(".raw").is_file():
            raise LotteryError(f"{(folder / file).with_suffix('.raw')}: audio without a header, from AN4's raw "
                               "release: give the NIST sphere release, an4_sphere.tar.gz")
        # The speaker goes first in an utterance's id, as Kaldi wants it.
        utterance = f"{fields[1]}-{fields[0]}-{fields[2]}"
        rows.append((utterance, fields[1], str(need_audio(folder, file, where)), " ".join(found[1].split())))
    return rows
