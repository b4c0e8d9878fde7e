"""A second reader, written from format.md alone: what it reads is what was packed."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import zstandard

from audio_lottery.export import ticket_file

DOCUMENT = Path(ticket_file.__file__).with_name("format.md").read_text()
WIDTH = {"float32": 4, "float64": 8, "int64": 8, "bool": 1, "float16": 2}  # of the types below


def sections(data: bytes) -> dict[str, bytes]:
    """Header and section table."""
    assert data[:8] == bytes.fromhex("89414C544B540D0A")
    version, count, size = struct.unpack_from("<IIQ", data, 8)
    assert (version, size) == (1, len(data)) and count <= 64
    table = data[56 : 56 + 80 * count]
    assert hashlib.sha256(table).digest() == data[24:56]
    found, end = {}, 56 + 80 * count
    for at in range(0, len(table), 80):
        name, offset, stored, raw, codec, zero, digest = struct.unpack_from("<16sQQQII32s", table, at)
        body = data[offset : offset + stored]
        assert offset == end and zero == 0 and hashlib.sha256(body).digest() == digest
        found[name.rstrip(b"\0").decode()] = zstandard.decompress(body) if codec == 1 else body
        assert len(found[name.rstrip(b"\0").decode()]) == raw
        end += stored
    assert end == len(data)
    return found


def planes(raw: bytes, sizes: list[tuple[int, int]]) -> list[bytes]:
    """The values of one section, for each (width, count) the bytes of its elements."""
    taken, out = 0, [b""] * len(sizes)
    for width in (1, 2, 4, 8, 16):
        mine = [i for i, (wide, _) in enumerate(sizes) if wide == width]
        total = sum(sizes[i][1] for i in mine)
        group = [raw[taken + total * byte : taken + total * (byte + 1)] for byte in range(width)]
        taken, first = taken + total * width, 0
        for i in mine:
            last = first + sizes[i][1]
            out[i] = b"".join(bytes(plane[k] for plane in group) for k in range(first, last))
            first = last
    assert taken == len(raw)
    return out


def masks(raw: bytes, entries: list[dict]) -> dict[str, np.ndarray]:
    """Kept weights of each tensor of the mask, as a matrix."""
    marks, at = set(), -1
    for byte in raw:
        at += byte + (byte != 255)  # a gap ends with a byte below 255, and a mark
        if byte != 255:
            marks.add(at)
    found, first = {}, 0
    for entry in entries:
        (r, c), shape = entry["mask"]["unit"], entry["shape"]
        rows, columns = (shape[0], int(np.prod(shape[1:]))) if shape else (1, 1)
        count = rows // r * (columns // c)
        mine = np.array([first + i in marks for i in range(count)])
        assert mine.sum() == entry["mask"]["marks"]
        kept = (~mine if entry["mask"]["inverted"] else mine).reshape(rows // r, columns // c)
        found[entry["name"]] = np.kron(kept, np.ones((r, c), bool)).astype(bool)
        first += count
    return found


def tensors(data: bytes) -> dict[str, np.ndarray]:
    """All tensors of a file."""
    found = sections(data)
    index = json.loads(found["index"])
    kept = masks(found["mask"], [entry for entry in index if "mask" in entry])
    scaled = [entry for entry in index if entry["encoding"] == "int8"]
    scales = planes(found["scales"], [(2, entry["shape"][0]) for entry in scaled])
    scales = {entry["name"]: [struct.unpack("<f", b"\0\0" + raw[i : i + 2])[0] for i in range(0, len(raw), 2)]
              for entry, raw in zip(scaled, scales, strict=True)}
    signs = "".join(f"{byte:08b}" for byte in found.get("signs", b""))
    raws, out = {}, {}
    for section, wanted in (("values", True), ("dense", False)):
        mine = [entry for entry in index if ("mask" in entry) == wanted]
        sizes = [({"exact": WIDTH[e["dtype"]], "fp16": 2, "int8": 1}[e["encoding"]],
                  int(kept[e["name"]].sum()) if wanted else int(np.prod(e["shape"]))) for e in mine]  # fmt: skip
        raws |= dict(zip((e["name"] for e in mine), planes(found[section], sizes), strict=True))
    for entry in index:
        name, shape = entry["name"], entry["shape"]
        stored = {"exact": entry["dtype"], "fp16": "float16", "int8": "int8"}[entry["encoding"]]
        values = np.frombuffer(raws[name], stored).astype(entry["dtype"])
        mask = kept.get(name)
        rows, columns = (shape[0], int(np.prod(shape[1:]))) if shape else (1, 1)
        matrix = np.zeros((rows, columns), entry["dtype"])
        matrix[np.ones((rows, columns), bool) if mask is None else mask] = values
        if name in scales:
            matrix *= np.array(scales[name], np.float32)[:, None]
        if entry.get("signs"):
            pruned = ~mask
            bits, signs = signs[: pruned.sum()], signs[pruned.sum() :]
            matrix[pruned] = np.where([bit == "1" for bit in bits], -0.0, 0.0)
        out[name] = matrix.reshape(shape)
    assert set(signs) <= {"0"} and len(signs) < 8
    return out


@pytest.mark.parametrize("mode", ["fp32", "fp16", "int8"])
def test_a_reader_written_from_the_document(mode, tmp_path):
    rng = np.random.default_rng(0)
    state, kept = {"step": np.array(7), "flags": np.array([True, False])}, {}
    for name, shape, unit, density in (("a", (12, 10), (1, 1), 0.1), ("b", (16, 6), (8, 1), 0.7),
                                       ("c", (5, 2, 3), (1, 6), 0.4), ("far", (3, 700), (1, 1), 0.001),
                                       ("all", (4, 4), (1, 1), 1.0)):
        blocks = rng.random((shape[0] // unit[0], int(np.prod(shape[1:])) // unit[1])) < density
        kept[name] = np.kron(blocks, np.ones(unit, bool)).astype(bool).reshape(shape)
        zeros = np.where(rng.random(shape) < 0.5, np.float32(-0.0), np.float32(0)) if name in "ac" else np.float32(0)
        state[name] = np.where(kept[name], rng.normal(size=shape).astype(np.float32), zeros).astype(np.float32)
    state["huge"], kept["huge"] = np.full((2, 2), 1e38, np.float32), np.ones((2, 2), bool)
    state["unpruned"], state["wide"] = rng.normal(size=(80, 60)).astype(np.float32), rng.normal(size=9)
    ticket = ticket_file.make(state, kept, {"encoder": "rnn"}, ["<blank>", "é"], tokenizer=b"spm",
                              statistics={"sum": np.float64([1.5, 2])}, provenance={"round": 3})
    path = tmp_path / "a.ticket"
    ticket_file.write(path, ticket, mode)
    read, found = ticket_file.read(path), tensors(path.read_bytes())
    assert list(found) == list(state)
    for name, array in found.items():
        assert array.dtype == read.tensors[name].data.dtype and array.tobytes() == read.tensors[name].data.tobytes()
        assert mode != "fp32" or array.tobytes() == np.asarray(state[name]).tobytes()
    whole = sections(path.read_bytes())
    assert all(f"| {name} |" in DOCUMENT for name in whole)
    assert json.loads(whole["config"]) == {"encoder": "rnn"} and json.loads(whole["tokens"]) == ["<blank>", "é"]
    assert json.loads(whole["provenance"]) == {"round": 3} and whole["tokenizer"] == b"spm"
    assert json.loads(whole["statistics"]) == {"sum": {"dtype": "float64", "shape": [2], "data": [1.5, 2.0]}}
