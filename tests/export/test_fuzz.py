"""A file from a stranger: whatever it holds, reading it gives a ticket or one LotteryError."""

import hashlib
import resource

import numpy as np

from audio_lottery.errors import LotteryError
from audio_lottery.export import container, ticket_file

LIMIT = 1 << 20
EVIL = [
    b"\xff" * 8,
    b"\0" * 8,
    b"\x7f" + b"\xff" * 7,
    b"[" * 50,
    b'"',
    b"-1",
    b"1e999",
    b"99999999999999",
    b"null",
    b"NaN",
    b"true",
    b"{}",
    b"[]",
    b"\\ud800",
    b"../../x",
]


def sample() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(8, 12)).astype(np.float32)
    mask = rng.random((8, 12)) < 0.3
    blocks = np.repeat(rng.random((1, 6)) < 0.5, 8, 0)
    state = {
        "a": np.where(mask, weights, np.float32(-0.0)),
        "b": np.where(blocks, weights[:, :6], np.float32(0)),
        "c": rng.normal(size=(70, 60)).astype(np.float32),
        "n": np.int64([1, 2]),
        "t": np.array([True, False]),
    }
    ticket = ticket_file.make(
        state,
        {"a": mask, "b": blocks},
        {"encoder": "conformer", "n": [1, 2.5, None]},
        ["<blank>", "a"],
        tokenizer=b"model",
        statistics={"sum": np.float32([1, 2])},
        provenance={"round": 1},
    )
    return ticket_file.to_sections(ticket, "int8") | {"signs": b"\0" * 8}


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes: a byte, a cut, a doubling, a splice, something evil."""
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, len(data) + 1))
        end = at + int(rng.integers(0, 9))
        piece = bytes([int(rng.integers(256))])
        kind = int(rng.integers(5))
        if kind == 0:
            piece = EVIL[int(rng.integers(len(EVIL)))]
        elif kind == 1:
            piece = b""
        elif kind == 2:
            piece = data[at:end] * 2
        data = data[:at] + piece + data[at + 1 if kind == 3 else end :]
    return data


def build_raw(sections: dict[str, bytes], claims: dict[str, int]) -> bytes:
    """A file with right checksums; ``claims`` replaces the raw sizes in the table. Nothing compressed."""
    offset = container.HEADER.size + container.ENTRY.size * len(sections)
    table, bodies = b"", b""
    for name, raw in sections.items():
        table += container.ENTRY.pack(
            name.encode(),
            offset + len(bodies),
            len(raw),
            claims.get(name, len(raw)),
            container.RAW,
            0,
            hashlib.sha256(raw).digest(),
        )
        bodies += raw
    return (
        container.HEADER.pack(
            container.MAGIC,
            container.VERSION,
            len(sections),
            offset + len(bodies),
            hashlib.sha256(table).digest(),
        )
        + table
        + bodies
    )


def attempt(data: bytes) -> bool:
    try:
        ticket_file.from_reader(container.Reader(data, limit=LIMIT))
    except LotteryError as error:
        assert "\n" not in str(error)
        return False
    return True


def test_a_hundred_thousand_mutated_files():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rng = np.random.default_rng(1)
    sections = sample()
    names = list(sections)
    weights = [6 if name == "index" else 1 for name in names]
    order = rng.choice(len(names), 80_000, p=np.array(weights) / sum(weights))
    whole = container.build(sections)
    read = sum(
        attempt(mutate(whole, rng)) for _ in range(25_000)
    )  # the outer layer: checksums stop nearly all
    for at in order:  # the inside: checksums made right again
        changed = dict(sections)
        changed[names[at]] = mutate(sections[names[at]], rng)
        claims = {names[at]: int(rng.integers(2**40))} if rng.random() < 0.05 else {}
        read += attempt(build_raw(changed, claims))
    assert 100 < read < 60_000  # some mutations do no harm; the others were refused
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 << 10  # KiB


def test_damaged_frames():
    rng = np.random.default_rng(2)
    raw = bytes(5000) + rng.integers(0, 4, 5000, np.uint8).tobytes()
    whole = container.build({"a": raw})
    start = container.HEADER.size + container.ENTRY.size
    name, offset, _, size, codec, zero, _ = container.ENTRY.unpack_from(whole, container.HEADER.size)
    for _ in range(5000):
        body = mutate(whole[start:], rng)
        entry = container.ENTRY.pack(
            name, offset, len(body), size, codec, zero, hashlib.sha256(body).digest()
        )
        header = container.HEADER.pack(
            container.MAGIC, container.VERSION, 1, start + len(body), hashlib.sha256(entry).digest()
        )
        try:
            assert len(container.Reader(header + entry + body, limit=LIMIT).raw("a")) == size
        except LotteryError as error:
            assert "section a" in str(error)
