"""Masks as gaps: the exact mask in about its entropy.

A mask is cut into units (single weights, or the RxC blocks it was pruned in), the rarer kind of unit
is marked, and the distances between marks are written as bytes. Zstandard's Huffman stage then codes
the bytes; for an unstructured mask that lies within a few percent of the entropy.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

CONTINUE = 255  # "255 units further, no mark yet"
BLOCKS = ((16, 1), (8, 1), (4, 1), (2, 1), (1, 16), (1, 8), (1, 4), (1, 2))


class Layout(NamedTuple):
    """How one tensor's mask was cut: the unit [rows, columns], what a mark means, number of marks."""

    unit: tuple[int, int]
    inverted: bool
    marks: int


def matrix_shape(shape: Sequence[int]) -> tuple[int, int]:
    """A tensor as a matrix: first dimension x all others. A scalar is 1 x 1."""
    return (shape[0], math.prod(shape[1:])) if shape else (1, 1)


def units(shape: Sequence[int], unit: tuple[int, int]) -> int:
    """Number of units in a tensor of this shape; the unit must divide it."""
    rows, columns = matrix_shape(shape)
    return (rows // unit[0]) * (columns // unit[1])


def split(mask: np.ndarray) -> tuple[Layout, np.ndarray]:
    """The layout of a mask (bool, any shape; True = kept), and its marks (bool, one a unit)."""
    matrix = np.ascontiguousarray(mask).reshape(matrix_shape(mask.shape))
    rows, columns = matrix.shape
    for r, c in ((1, columns), (rows, 1), *BLOCKS):
        if r * c > 1 and rows % r == 0 and columns % c == 0:
            blocks = matrix.reshape(rows // r, r, columns // c, c)
            first = blocks[:, :1, :, :1]
            if (blocks == first).all():
                matrix, unit = first.reshape(-1), (r, c)
                break
    else:
        matrix, unit = matrix.reshape(-1), (1, 1)
    count = int(np.count_nonzero(matrix))
    inverted = 2 * count > matrix.size
    return Layout(unit, inverted, matrix.size - count if inverted else count), matrix ^ inverted


def join(shape: Sequence[int], layout: Layout, marks: np.ndarray) -> np.ndarray:
    """The inverse of :func:`split`: a bool array of ``shape``."""
    rows, columns = matrix_shape(shape)
    r, c = layout.unit
    matrix = (marks ^ layout.inverted).reshape(rows // r, columns // c)
    if layout.unit != (1, 1):
        matrix = np.repeat(np.repeat(matrix, r, 0), c, 1)
    return matrix.reshape(tuple(shape))


def encode(marks: np.ndarray) -> bytes:
    """Gap bytes of a flat bool array: for each mark, the unmarked units before it, base 255."""
    gaps = np.diff(np.flatnonzero(marks), prepend=-1) - 1
    tails, skips = gaps % CONTINUE, gaps // CONTINUE
    out = np.full(len(gaps) + int(skips.sum()), CONTINUE, np.uint8)
    out[np.cumsum(skips + 1) - 1] = tails
    return out.tobytes()


def decode(data: bytes, size: int, count: int) -> np.ndarray:
    """The flat bool array of ``size`` units with ``count`` marks; ValueError when they disagree."""
    codes = np.frombuffer(data, np.uint8)
    ends = codes != CONTINUE
    if int(np.count_nonzero(ends)) != count or (len(codes) and not ends[-1]):
        raise ValueError(f"the gaps do not make {count} marks")
    where = np.cumsum(codes, dtype=np.int64)[ends] + np.arange(count)
    if count and where[-1] >= size:
        raise ValueError(f"a mark lies past the last of {size} units")
    marks = np.zeros(size, bool)
    marks[where] = True
    return marks
