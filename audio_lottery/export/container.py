"""The outer layer of a ``.ticket`` file: a header, a table of sections, and the sections.

Byte for byte in ``format.md``. Nothing here knows what a section holds. Every size that comes from
the file is checked against the file's real size and against a limit before memory is asked for.
"""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

import zstandard

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import atomic_path

MAGIC = b"\x89ALTKT\r\n"
VERSION = 1
HEADER = struct.Struct("<8sIIQ32s")  # magic, version, number of sections, file size, SHA-256 of the table
ENTRY = struct.Struct("<16sQQQII32s")  # name, offset, stored size, raw size, codec, zero, SHA-256 as stored
MAX_SECTIONS = 64
RAW, ZSTD = 0, 1
LEVEL = 19


@dataclass(frozen=True)
class Section:
    """One line of the section table."""

    name: str
    offset: int
    stored: int
    raw: int
    codec: int
    digest: bytes


def memory_limit(file_size: int) -> int:
    """How many bytes a file of this size may ask for: 2,048 times its size, and at least 256 MiB.

    A ticket at 99.9% sparsity unpacks to about 1,000 times its size.
    """
    return max(256 << 20, 2048 * file_size)


def build(sections: dict[str, bytes], level: int = LEVEL) -> bytes:
    """The bytes of a file with these sections, each compressed where that makes it smaller."""
    compressor = zstandard.ZstdCompressor(level=level, write_content_size=True, write_checksum=False)
    bodies, table = [], []
    offset = HEADER.size + ENTRY.size * len(sections)
    for name, raw in sections.items():
        packed = compressor.compress(raw)
        codec, body = (ZSTD, packed) if len(packed) < len(raw) else (RAW, raw)
        table.append(
            ENTRY.pack(
                name.encode("ascii"), offset, len(body), len(raw), codec, 0, hashlib.sha256(body).digest()
            )
        )
        bodies.append(body)
        offset += len(body)
    joined = b"".join(table)
    header = HEADER.pack(MAGIC, VERSION, len(sections), offset, hashlib.sha256(joined).digest())
    return b"".join([header, joined, *bodies])


def write(path: str | Path, sections: dict[str, bytes]) -> None:
    """Write the sections to ``path``; the file is whole or absent."""
    data = build(sections)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


class Reader:
    """The sections of a file held in memory. ``name`` is what errors call the file.

    ``limit`` bounds the sum of all unpacked sizes in bytes; None takes :func:`memory_limit`.
    """

    def __init__(self, data: bytes, name: str = "ticket", limit: int | None = None):
        self.name = name
        self.data = memoryview(data)
        self.limit = memory_limit(len(data)) if limit is None else limit
        self.sections = {section.name: section for section in self._table()}

    def error(self, where: str, what: str, advice: str = "get the file again") -> LotteryError:
        """A :class:`LotteryError` that names the file and the section."""
        return LotteryError(f"{self.name}: {where}: {what}: {advice}")

    def _table(self) -> list[Section]:
        data = self.data
        if len(data) < HEADER.size or bytes(data[:8]) != MAGIC:
            raise self.error("header", "not a ticket file", "give a file written by audio-lottery pack")
        _, version, count, size, digest = HEADER.unpack_from(data)
        if version != VERSION:
            raise self.error(
                "header",
                f"format version {version}, this program reads {VERSION}",
                "install a newer audio_lottery",
            )
        if size != len(data):
            raise self.error("header", f"{len(data)} bytes where {size} belong")
        end = HEADER.size + ENTRY.size * count
        if count > MAX_SECTIONS or end > len(data):
            raise self.error("header", f"a table of {count} sections does not fit")
        if hashlib.sha256(data[HEADER.size : end]).digest() != digest:
            raise self.error("section table", "wrong checksum")
        sections = [self._entry(data[HEADER.size + ENTRY.size * i :]) for i in range(count)]
        for section in sections:
            if section.offset != end:
                raise self.error(f"section {section.name}", "does not begin where the one before it ends")
            end += section.stored
        if end != len(data) or len({section.name for section in sections}) != count:
            raise self.error("section table", "sections do not fill the file, or share a name")
        if sum(section.raw for section in sections) > self.limit:
            raise self.error(
                "section table", f"would unpack to more than {self.limit} bytes", "do not trust this file"
            )
        return sections

    def _entry(self, data: memoryview) -> Section:
        field, offset, stored, raw, codec, zero, digest = ENTRY.unpack_from(data)
        text = field.rstrip(b"\0")
        if not text or not text.isascii() or not all(33 <= byte < 127 for byte in text):
            raise self.error("section table", "a section name is not plain ASCII")
        if codec not in (RAW, ZSTD) or zero or (codec == RAW and stored != raw):
            raise self.error(f"section {text.decode()}", "unknown codec or wrong size")
        return Section(text.decode(), offset, stored, raw, codec, digest)

    def stored(self, name: str) -> memoryview:
        """A section as stored, its checksum verified."""
        section = self.sections.get(name)
        if section is None:
            raise self.error(f"section {name}", "missing")
        body = self.data[section.offset : section.offset + section.stored]
        if hashlib.sha256(body).digest() != section.digest:
            raise self.error(f"section {name}", "wrong checksum")
        return body

    def raw(self, name: str, most: int | None = None) -> bytes:
        """A section unpacked. More than ``most`` bytes is an error before anything is allocated."""
        body = self.stored(name)
        section = self.sections[name]
        if most is not None and section.raw > most:
            raise self.error(f"section {name}", f"{section.raw} bytes where at most {most} belong")
        if section.codec == RAW:
            return bytes(body)
        try:
            frame = zstandard.get_frame_parameters(body)
            # The frame's own size is what the decoder allocates, so it has to be the checked one.
            if frame.content_size != section.raw:
                raise self.error(f"section {name}", "its compressed size disagrees with the table")
            return zstandard.ZstdDecompressor(max_window_size=1 << 27).decompress(
                body, max_output_size=section.raw, allow_extra_data=False
            )
        except zstandard.ZstdError as error:
            raise self.error(f"section {name}", f"cannot be unpacked ({error})") from None
