"""TED-LIUM, releases 1 to 3: talks in NIST sphere, 16 kHz, cut by the times in stm files.

Source: https://www.openslr.org/7, /19 and /51, CC BY-NC-ND 3.0. Layout: {train,dev,test}/{sph,stm}/TALK.*,
in release 3 below legacy/. Text rules, as in the Kaldi and ESPnet recipes but for the last two:
``(2)`` (a pronunciation variant), ``<sil>`` and the segment's name at the end of a line go; a suffix
is joined to its word (``it 's``); noises, ``{COUGH}`` or ``[NOISE]``, and ``<unk>`` go, as scoring
does not count them. Training segments are cut tightly: as in those recipes they grow at both ends.
"""

import argparse
import itertools
import re
from pathlib import Path

from audio_lottery.data import download, kaldi
from audio_lottery.data.prepared import write_sets
from audio_lottery.data.recorded import find_root, need_audio
from audio_lottery.errors import LotteryError

# release -> archive, SHA-256 (as torchaudio's loader of the corpus has it)
RELEASES = {
    "1": ("https://www.openslr.org/resources/7/TEDLIUM_release1.tar.gz",
          "30301975fd8c5cac4040c261c0852f57cfa8adbbad2ce78e77e4986957445f27"),
    "2": ("https://www.openslr.org/resources/19/TEDLIUM_release2.tar.gz",
          "93281b5fcaaae5c88671c9d000b443cb3c7ea3499ad12010b3934ca41a7b9c58"),
    "3": ("https://www.openslr.org/resources/51/TEDLIUM_release-3.tgz",
          "ad1e454d14d1ad550bc2564c462d87c7a7ec83d4dc2b9210f22ab4973b9eccdb"),
}  # fmt: skip
SETS = ("train", "dev", "test")
NOT_SPEECH = ("ignore_time_segment_in_scoring", "inter_segment_gap")
GONE = re.compile(r"\(\d+\)|<sil>|<unk>|\{[^}]*\}|\[[^\]]*\]|\(\S*\)\s*$", re.I)
LABEL = re.compile(r"^<[^>]*>")  # <o,f0,male>, <F0_M> or <NA>
BEFORE, AFTER = 0.15, 0.1  # seconds a training segment grows, never beyond the middle of the gap to the next
SUFFIX = re.compile(r"(?<=\S) +(?=')")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``audio-lottery prepare tedlium``."""
    parser.add_argument("--out", type=Path, default=Path("data"), help="parent of train, dev and test")
    parser.add_argument("--release", choices=tuple(RELEASES), default="2", help="release of the corpus")
    parser.add_argument("--tedlium_root", type=Path, help="a copy of the release; downloaded when not given")
    parser.add_argument("--downloads", type=Path, default=Path("downloads"), help="where a download goes")


def prepare(args: argparse.Namespace) -> None:
    """Find or fetch the release and run :func:`prepare_tedlium` on parsed options."""
    url, sha256 = RELEASES[args.release]
    root = args.tedlium_root or download.fetch(url, args.downloads / f"tedlium_{args.release}", sha256=sha256)
    prepare_tedlium(root, args.out, args.release)


def prepare_tedlium(root: Path, out: Path, release: str) -> None:
    """Write ``out/{train,dev,test}`` with ``segments``. A talk is a speaker, as in Kaldi's recipe.

    Raises:
        LotteryError: another release, parts missing, a talk without audio or without stm, a damaged line.
    """
    found = release_of(root)
    if found is not None and release not in found:
        raise LotteryError(f"--tedlium_root {root}: release {' or '.join(found)}, not {release}: give --release "
                           f"{found[0]}, or another folder")
    below = "legacy/" if release == "3" else ""
    needed = [f"{below}{name}/{kind}" for name in SETS for kind in ("sph", "stm")]
    root = find_root("tedlium_root", root, needed, f"TED-LIUM release {release}")
    write_sets(out, {name: _read(root / f"{below}{name}", grow=name == "train") for name in SETS})


def release_of(root: Path) -> list[str] | None:
    """The releases that a folder may be, by its layout and dictionary; None when nothing tells."""
    if (root / "legacy").is_dir():
        return ["3"]
    if (root / "TEDLIUM.150K.dic").is_file():
        return ["1"]
    if (root / "TEDLIUM.152k.dic").is_file():
        return ["2"]
    return ["1", "2"] if (root / "train").is_dir() else None


def clean(words: str) -> str:
    """A segment's text by the module's rules."""
    return SUFFIX.sub("", " ".join(GONE.sub(" ", words).split()))


def grow_segments(segments: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Segments of one talk, (start, end) in seconds by rising start, grown; overlapping ones stay at that end."""
    ends = [0.0, *(end for _, end in segments)]
    starts = [*(start for start, _ in segments[1:]), float("inf")]
    return [(start - min(BEFORE, max(0.0, (start - before) / (2 if before else 1))),
             end + min(AFTER, max(0.0, (after - end) / 2)))
            for (start, end), before, after in zip(segments, ends[:-1], starts, strict=True)]


def _read(folder: Path, grow: bool) -> kaldi.DataDir:
    wav, text, speakers, times = kaldi.Table(), kaldi.Table(), kaldi.Table(), {}
    empty = 0
    for path in sorted((folder / "stm").glob("*.stm")):
        for number, line in enumerate(kaldi.read_lines(path), 1):
            if not line.strip() or line.startswith(";;"):
                continue
            where = f"{path}:{number}"
            talk, start, end, words = _parse(line, where)
            if any(mark in words.lower() for mark in NOT_SPEECH):
                continue
            words = clean(words)
            if not words:
                empty += 1
                continue
            utterance = f"{talk}-{round(start * 100):07d}-{round(end * 100):07d}"
            if text.setdefault(utterance, words) != words:
                raise LotteryError(f"{where}: {utterance} is there twice with other words: keep one")
            if talk not in wav:
                wav[talk] = str(need_audio(folder / "sph", f"{talk}.sph", where))
            speakers[utterance] = talk
            times[utterance] = (start, end)
    unread = sorted(path for path in (folder / "sph").glob("*.sph") if not (folder / f"stm/{path.stem}.stm").is_file())
    if unread:
        raise LotteryError(f"{unread[0]}: no transcript stm/{unread[0].stem}.stm: restore it ({len(unread)} in all)")
    if empty:
        print(f"note: {folder}: dropped {empty} segments without a word")
    # Utterances' names, made of talk and times, sort by time.
    ordered = sorted(times, key=lambda utterance: (speakers[utterance], utterance))
    for _, group in itertools.groupby(ordered, speakers.get) if grow else ():
        own = list(group)
        times.update(zip(own, grow_segments([times[utterance] for utterance in own]), strict=True))
    cuts = kaldi.Table({utterance: f"{speakers[utterance]} {start:.2f} {end:.2f}"
                        for utterance, (start, end) in times.items()})
    return kaldi.DataDir(wav, text, speakers, kaldi.parse_segments(cuts), cuts)


def _parse(line: str, where: str) -> tuple[str, float, float, str]:
    """TALK CHANNEL SPEAKER START END [<LABEL>] WORDS -> talk, start, end (seconds), words."""
    fields = line.split(maxsplit=5)
    try:
        talk, start, end = fields[0], float(fields[3]), float(fields[4])
        if not 0 <= start < end:
            raise ValueError
    except (IndexError, ValueError):
        raise LotteryError(f"{where}: not 'TALK CHANNEL SPEAKER START END <LABEL> WORDS': restore the file") from None
    words = fields[5] if len(fields) > 5 else ""
    return talk, start, end, LABEL.sub("", words)
