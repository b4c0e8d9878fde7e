"""The outer layer: sections come back, sizes are checked before memory is asked for."""

import pytest
import zstandard

from audio_lottery.errors import LotteryError
from audio_lottery.export import container


def test_sections_come_back():
    sections = {"a": b"x" * 10_000, "b": bytes(range(256)), "empty": b""}
    reader = container.Reader(container.build(sections))
    assert {name: reader.raw(name) for name in sections} == sections
    assert reader.sections["a"].codec == container.ZSTD and reader.sections["b"].codec == container.RAW


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_flipped_byte_names_its_section(name):
    data = bytearray(container.build({"a": b"x" * 1000, "b": bytes(range(200))}))
    section = container.Reader(bytes(data)).sections[name]
    data[section.offset + section.stored // 2] ^= 1
    with pytest.raises(LotteryError, match=f"t.ticket: section {name}: wrong checksum"):
        container.Reader(bytes(data), "t.ticket").raw(name)


def test_every_byte_before_the_sections_matters():
    data = container.build({"a": b"x" * 1000})
    for at in range(container.HEADER.size + container.ENTRY.size):
        broken = bytearray(data)
        broken[at] ^= 0x40
        with pytest.raises(LotteryError):
            container.Reader(bytes(broken))


def test_truncated_and_extended_files():
    data = container.build({"a": b"x" * 1000})
    for broken in (b"", data[:7], data[:60], data[:-1], data + b"\0", b"PK\3\4" + data):
        with pytest.raises(LotteryError):
            container.Reader(broken)


def test_a_bomb_is_refused_before_it_is_unpacked():
    zeros = zstandard.ZstdCompressor(level=19).compress(bytes(64 << 20))
    with pytest.raises(LotteryError, match="more than"):
        container.Reader(container.build({"a": bytes(64 << 20)}, level=3), limit=1 << 20)
    # a frame that claims more than the table does
    data = bytearray(container.build({"a": b"y" * 300}))
    section = container.Reader(bytes(data)).sections["a"]
    body = bytes(data[: section.offset]) + zeros
    with pytest.raises(LotteryError):
        container.Reader(_resigned(body, len(zeros))).raw("a")


def _resigned(data: bytes, stored: int) -> bytes:
    """The file with its one section ``stored`` bytes long and all checksums right again."""
    import hashlib

    head, entry = container.HEADER, container.ENTRY
    start = head.size + entry.size
    name, offset, _, raw, codec, zero, _ = entry.unpack_from(data, head.size)
    table = entry.pack(name, offset, stored, raw, codec, zero, hashlib.sha256(data[start:]).digest())
    return (
        head.pack(container.MAGIC, container.VERSION, 1, len(data), hashlib.sha256(table).digest())
        + table
        + data[start:]
    )
