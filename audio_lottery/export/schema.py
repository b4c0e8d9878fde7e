"""The text sections of a ticket: JSON read strictly, and the index that describes the tensors."""

import json
import math
from typing import NamedTuple

import numpy as np

from audio_lottery.export.arrays import STORAGE
from audio_lottery.export.container import Reader
from audio_lottery.export.maskcode import Layout, matrix_shape, units
from audio_lottery.export.values import ENCODINGS

MAX_JSON = 16 << 20  # bytes of one text section
MAX_SIZE = 1 << 40  # elements of one tensor


class Entry(NamedTuple):
    """One tensor. ``layout`` is None where it was not in the mask; ``signs``: its zeros have signs."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    encoding: str
    layout: Layout | None
    signs: bool

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def units(self) -> int:
        """Number of units of the mask."""
        return units(self.shape, self.layout.unit)

    def json(self) -> dict:
        """As the index section holds it."""
        row: dict = {
            "name": self.name,
            "dtype": self.dtype,
            "shape": list(self.shape),
            "encoding": self.encoding,
        }
        if self.layout is not None:
            row["mask"] = {
                "unit": list(self.layout.unit),
                "inverted": self.layout.inverted,
                "marks": self.layout.marks,
            }
            row["signs"] = self.signs
        return row


def dump(value: object) -> bytes:
    """Strict JSON as bytes. ValueError or TypeError where the value is not JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def load(reader: Reader, name: str, kind: type):
    """A JSON section whose outermost value is of type ``kind``."""
    raw = reader.raw(name, MAX_JSON)

    def refuse(text: str):
        raise ValueError(f"{text} is not JSON")

    try:
        value = json.loads(raw.decode("utf-8"), parse_constant=refuse)
        if b"\\ud" in raw.lower():
            dump(value)  # half of a surrogate pair could not be written to any file
    except (ValueError, RecursionError) as error:
        raise reader.error(f"section {name}", f"not valid JSON ({error})") from None
    if type(value) is not kind:
        raise reader.error(f"section {name}", f"holds a {type(value).__name__}, not a {kind.__name__}")
    return value


def load_index(reader: Reader) -> list[Entry]:
    """The tensors described in section ``index``, all fields checked, sizes within the limit."""
    rows = load(reader, "index", list)
    try:
        entries = [_entry(row) for row in rows]
        if len({entry.name for entry in entries}) != len(entries):
            raise ValueError("two tensors have one name")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise reader.error("section index", f"wrong entry ({type(error).__name__}: {error})") from None
    if sum(entry.size * max(4, np.dtype(STORAGE[entry.dtype]).itemsize) for entry in entries) > reader.limit:
        raise reader.error(
            "section index", f"tensors of more than {reader.limit} bytes", "do not trust this file"
        )
    return entries


def _entry(row: dict) -> Entry:
    name, dtype, shape, encoding = row["name"], row["dtype"], row["shape"], row["encoding"]
    if type(name) is not str or len(name) > 1024 or dtype not in STORAGE or encoding not in ENCODINGS:
        raise ValueError(f"name, dtype or encoding of {str(name)[:80]!r}")
    if type(shape) is not list or len(shape) > 16 or not all(_count(n, MAX_SIZE) for n in shape):
        raise ValueError(f"shape of {name!r}")
    if math.prod(shape) > MAX_SIZE or (encoding != "exact" and (dtype != "float32" or not shape)):
        raise ValueError(f"size or encoding of {name!r}")
    layout, signs = None, row.get("signs", False)
    if "mask" in row:
        mask = row["mask"]
        unit = mask["unit"]
        sides = matrix_shape(shape)
        if (
            type(unit) is not list
            or len(unit) != 2
            or not all(_count(n, MAX_SIZE) and n for n in unit)
            or sides[0] % unit[0]
            or sides[1] % unit[1]
        ):
            raise ValueError(f"mask unit of {name!r}")
        layout = Layout(tuple(unit), mask["inverted"], mask["marks"])
        if type(layout.inverted) is not bool or not _count(layout.marks, units(shape, layout.unit)):
            raise ValueError(f"mask of {name!r}")
    if type(signs) is not bool or (signs and layout is None):
        raise ValueError(f"signs of {name!r}")
    return Entry(name, dtype, tuple(shape), encoding, layout, signs)


def _count(value: object, most: int) -> bool:
    return type(value) is int and 0 <= value <= most
