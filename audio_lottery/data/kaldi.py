"""Kaldi data folders: ``wav.scp``, ``text``, ``utt2spk``, ``spk2utt`` and, at will, ``segments``.

Format: https://kaldi-asr.org/doc/data_prep.html. A table line is an id, blanks, and a value, so an
id holds no blank while a path may. Order in the files does not matter when they are read; what is
written is sorted as ``LC_ALL=C sort`` sorts.
"""

import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from audio_lottery import fileio
from audio_lottery.data.pipes import is_pipe
from audio_lottery.errors import LotteryError

REQUIRED = ("wav.scp", "text", "utt2spk")


class Lines:
    """The line that each id of a file stands on."""

    def __init__(self, keys: Sequence[str] = (), numbers: Sequence[int] = ()):
        self._keys, self._numbers = keys, numbers

    @functools.cached_property
    def of(self) -> dict[str, int]:
        """Id -> number; made when it is needed, which is seldom."""
        return dict(zip(self._keys, self._numbers, strict=True))


class Table(dict[str, str]):
    """A two-column file: id -> value, and the line each id stood on."""

    def __init__(self, values: Mapping[str, str] | Iterable[tuple[str, str]] = (), path: str | Path = "",
                 lines: Lines | None = None):
        super().__init__(values)
        self.path = Path(path)
        self.lines = lines or Lines()

    def where(self, key: str) -> str:
        """``file:line`` of an id, or the file when the table was not read from one."""
        return f"{self.path}:{self.lines.of[key]}" if key in self.lines.of else str(self.path)


@dataclasses.dataclass(frozen=True)
class Segment:
    """A stretch of a recording, in seconds; ``end`` is infinite for "to the end"."""

    recording: str
    start: float
    end: float


@dataclasses.dataclass
class DataDir:
    """A validated data folder. Without segments the ids of ``wav`` are the utterances' ids."""

    wav: Table
    text: Table
    utt2spk: Table
    segments: dict[str, Segment] | None = None
    segment_lines: Table | None = None

    @property
    def utterances(self) -> list[str]:
        """Ids of the utterances, sorted."""
        return sorted(self.utt2spk)

    @property
    def speakers(self) -> list[str]:
        """Ids of the speakers, sorted."""
        return sorted(set(self.utt2spk.values()))

    def source(self, utterance: str) -> Segment:
        """The recording an utterance is cut from, and where; the whole of it without segments."""
        if self.segments is None:
            return Segment(utterance, 0.0, math.inf)
        return self.segments[utterance]

    def where(self, utterance: str) -> str:
        """``file:line`` of the table that says where the utterance's audio is."""
        if self.segment_lines is not None:
            return self.segment_lines.where(utterance)
        return self.wav.where(utterance)

    @classmethod
    def read(cls, folder: str | Path, allow_pipes: bool = False) -> "DataDir":
        """Read and check a folder; anything wrong is a :class:`LotteryError` with file and line.

        ``allow_pipes``: commands in wav.scp are no error. Nothing is run here.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise LotteryError(f"{folder}: no such data folder: run the data preparation stage first")
        for name in REQUIRED:
            if not (folder / name).is_file():
                raise LotteryError(f"{folder / name}: missing: a data folder holds {', '.join(REQUIRED)}")
        data = cls(*(read_table(folder / name) for name in REQUIRED))
        if (folder / "segments").is_file():
            data.segment_lines = read_table(folder / "segments")
            data.segments = parse_segments(data.segment_lines)
        data.check(allow_pipes)
        if (folder / "spk2utt").is_file():
            _check_spk2utt(read_table(folder / "spk2utt"), data.utt2spk)
        return data

    def check(self, allow_pipes: bool = False) -> None:
        """Raise a :class:`LotteryError` unless the tables fit one another."""
        for recording, path in self.wav.items():
            if is_pipe(path) and not allow_pipes:
                raise LotteryError(
                    f"{self.wav.where(recording)}: '{path}' would run a command: write the audio to a file and name "
                    "that file here, or give --allow_pipes true if you trust every line of this file"
                )
            if path.startswith("|") or path == "-":
                raise LotteryError(
                    f"{self.wav.where(recording)}: '{path}' gives no audio: write it to a file and name that file here"
                )
        audio = self.wav
        if self.segments is not None and self.segment_lines is not None:
            audio = self.segment_lines
            for utterance, segment in self.segments.items():
                if segment.recording not in self.wav:
                    raise LotteryError(
                        f"{audio.where(utterance)}: recording {segment.recording} is not in "
                        f"{self.wav.path}: add it there or remove the segment"
                    )
        _same_ids(audio, self.text, "utterance", "text")
        _same_ids(self.text, audio, "text", "audio")
        _same_ids(audio, self.utt2spk, "utterance", "speaker")
        _same_ids(self.utt2spk, audio, "speaker entry", "audio")

    def subset(self, utterances: list[str]) -> "DataDir":
        """The same data with these utterances only, without segments' unused recordings."""
        chosen = set(utterances)
        recordings = {self.source(u).recording for u in utterances}
        segments = None if self.segments is None else {u: self.segments[u] for u in utterances}
        lines = None if self.segment_lines is None else _only(self.segment_lines, chosen)
        return DataDir(_only(self.wav, recordings), _only(self.text, chosen), _only(self.utt2spk, chosen),
                       segments, lines)  # fmt: skip

    def write(self, folder: str | Path) -> None:
        """Write the tables sorted, ``spk2utt`` derived from ``utt2spk``, each file atomically.

        ``wav.scp`` goes first and comes back last: killed between, the folder is refused, not mixed.
        """
        folder = Path(folder)
        (folder / "wav.scp").unlink(missing_ok=True)
        write_table(folder / "text", self.text)
        write_table(folder / "utt2spk", self.utt2spk)
        write_table(folder / "spk2utt", spk2utt(self.utt2spk))
        if self.segment_lines is not None:
            write_table(folder / "segments", self.segment_lines)
        else:
            (folder / "segments").unlink(missing_ok=True)
        write_table(folder / "wav.scp", self.wav)


def make_data_dir(rows: list[tuple[str, str, str, str]]) -> DataDir:
    """A data folder of (utterance, speaker, path, transcript) rows; ids must differ."""
    data = DataDir(Table({r[0]: r[2] for r in rows}), Table({r[0]: r[3] for r in rows}),
                   Table({r[0]: r[1] for r in rows}))  # fmt: skip
    if len(data.wav) != len(rows):
        raise ValueError("duplicate utterance ids")
    return data


def read_lines(path: str | Path) -> list[str]:
    """The lines of a UTF-8 file; other bytes are a :class:`LotteryError` naming the line."""
    path = Path(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise LotteryError(f"{path}: {error.strerror or error}: check the path") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise LotteryError(f"{path}:{line}: not UTF-8: convert the file to UTF-8, with iconv say") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise LotteryError(f"{path}:{line}: holds a NUL byte: this is no text file, restore it")
    # Not splitlines(): it also breaks at U+2028 and others that may stand inside a transcript.
    return text.replace("\r\n", "\n").split("\n")


def read_table(path: str | Path) -> Table:
    """Read ``id value`` lines; no line, no value or an id seen twice is a :class:`LotteryError`."""
    keys, values, numbers = [], [], []
    for number, line in enumerate(read_lines(path), 1):
        parts = line.split(maxsplit=1)
        if len(parts) == 2:
            keys.append(parts[0])
            values.append(parts[1].rstrip())
            numbers.append(number)
        elif parts:
            what = "transcript" if Path(path).name == "text" else "value"
            raise LotteryError(f"{path}:{number}: empty {what} of {parts[0]}: fill it in or remove the utterance")
    table = Table(zip(keys, values, strict=True), path, Lines(keys, numbers))
    if not table:
        raise LotteryError(f"{path}: empty: run the stage that writes it again")
    if len(table) < len(keys):
        first: dict[str, int] = {}
        for key, number in zip(keys, numbers, strict=True):
            if first.setdefault(key, number) != number:
                raise LotteryError(f"{path}:{number}: {key} is on line {first[key]} too: keep one")
    return table


def write_table(path: str | Path, table: dict[str, object]) -> None:
    """Write ``id value`` lines, sorted by id in the C locale's order, atomically."""
    # Code points sort as their UTF-8 bytes do, which is the C locale's order.
    fileio.write_text(path, "".join(f"{key} {value}\n" for key, value in sorted(table.items())))


def is_sorted(table: Table) -> bool:
    """Whether the file's lines were already in the C locale's order."""
    return list(table) == sorted(table)


def spk2utt(utt2spk: dict[str, str]) -> dict[str, str]:
    """Speaker -> its utterances, blank-separated and sorted."""
    speakers: dict[str, list[str]] = {}
    for utterance, speaker in sorted(utt2spk.items()):
        speakers.setdefault(speaker, []).append(utterance)
    return {speaker: " ".join(utterances) for speaker, utterances in speakers.items()}


def _only(table: Table, keys: set[str]) -> Table:
    return Table({k: v for k, v in table.items() if k in keys}, table.path, table.lines)


def _same_ids(have: Table, need: Table, what: str, missing: str) -> None:
    if not have.keys() <= need.keys():
        key = next(key for key in have if key not in need)
        raise LotteryError(f"{have.where(key)}: {what} {key} has no {missing} in {need.path}: add it or remove {key}")


def _check_spk2utt(table: Table, utt2spk: Table) -> None:
    for speaker, utterances in table.items():
        for utterance in utterances.split():
            if utt2spk.get(utterance) != speaker:
                raise LotteryError(
                    f"{table.where(speaker)}: {utterance} is not {speaker}'s in {utt2spk.path}: "
                    f"remove {table.path}, it is made again from utt2spk"
                )
    listed = sum(len(utterances.split()) for utterances in table.values())
    if listed != len(utt2spk):
        raise LotteryError(
            f"{table.path}: lists {listed} utterances, {utt2spk.path} {len(utt2spk)}: "
            "remove spk2utt, it is made again from utt2spk"
        )


def parse_segments(table: Table) -> dict[str, Segment]:
    """The lines ``utterance recording start end`` of ``segments``, seconds; an end of -1 is the recording's."""
    segments = {}
    for utterance, value in table.items():
        fields = value.split()
        try:
            recording, start, end = fields[0], float(fields[1]), float(fields[2])
            if len(fields) != 3:
                raise ValueError
        except (ValueError, IndexError):
            raise LotteryError(
                f"{table.where(utterance)}: '{value}' is no segment: write 'utterance recording start end'"
            ) from None
        end = math.inf if end == -1 else end
        if not (0 <= start < end):
            raise LotteryError(
                f"{table.where(utterance)}: start {fields[1]} and end {fields[2]} enclose nothing: "
                "give seconds with 0 <= start < end"
            )
        segments[utterance] = Segment(recording, start, end)
    return segments
