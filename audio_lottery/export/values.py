"""Weights as bytes: exact, half precision, or 8 bits with one scale a row; all as byte planes."""

import numpy as np

from audio_lottery.export.arrays import STORAGE, Tensor
from audio_lottery.export.maskcode import matrix_shape

ENCODINGS = ("exact", "fp16", "int8")
WIDTHS = (1, 2, 4, 8, 16)


def choose(tensor: Tensor, wanted: str) -> str:
    """``wanted`` where it can hold the tensor within its bounds, else ``exact``.

    Only float32 is ever rounded. A value that is not finite, or too large for fp16, and a row too small
    for the scale's 8 bits to mean anything stay exact.
    """
    if wanted == "exact" or tensor.dtype != "float32" or tensor.data.ndim == 0:
        return "exact"
    tops = np.abs(tensor.data.reshape(matrix_shape(tensor.data.shape))).max(1, initial=0.0)
    if wanted == "fp16":
        fits = tops <= 65504.0
    else:
        fits = (tops == 0) | ((tops > 1e-30) & np.isfinite(tops))
    return wanted if fits.all() else "exact"


def width(dtype: str, encoding: str) -> int:
    """Bytes a value takes."""
    return {"exact": np.dtype(STORAGE[dtype]).itemsize, "fp16": 2, "int8": 1}[encoding]


def row_scales(matrix: np.ndarray) -> np.ndarray:
    """One scale a row, as the upper half of a float32 (uint16), rounded up.

    So |max of row| / 127 <= scale <= |max of row| / 127 * (1 + 2**-7).
    """
    exact = (np.abs(matrix).max(1, initial=0.0) / np.float32(127)).astype("<f4")
    exact = np.nextafter(exact, np.float32(np.inf), where=exact > 0, out=exact)  # the division may round down
    bits = exact.view("<u4")
    return ((bits >> 16) + ((bits & 0xFFFF) != 0)).astype("<u2")


def widen(scales: np.ndarray) -> np.ndarray:
    """Stored scales (uint16) as float32."""
    return (scales.astype("<u4") << 16).view("<f4")


def encode(tensor: Tensor, mask: np.ndarray | None, encoding: str) -> tuple[np.ndarray, np.ndarray | None]:
    """The surviving values in row-major order as stored, and the row scales (int8 only)."""
    data = tensor.data
    kept = data.reshape(-1) if mask is None else data[mask]
    if encoding == "exact":
        return kept, None
    if encoding == "fp16":
        return kept.astype("<f2"), None
    matrix = data.reshape(matrix_shape(data.shape))
    scales = row_scales(matrix)
    factor = widen(scales).astype(np.float64)
    codes = np.rint(matrix / np.where(factor > 0, factor, 1)[:, None]).clip(-127, 127).astype("i1")
    codes = codes.reshape(data.shape)
    return (codes.reshape(-1) if mask is None else codes[mask]), scales


def decode(
    kept: np.ndarray,
    scales: np.ndarray | None,
    mask: np.ndarray | None,
    shape: tuple[int, ...],
    dtype: str,
    encoding: str,
) -> tuple[np.ndarray, np.ndarray | None]:
    """The tensor's data with +0 where pruned, and its int8 codes of the same shape (int8 only)."""
    stored = {"exact": STORAGE[dtype], "fp16": "<f2", "int8": "|i1"}[encoding]
    full = kept.view(stored)
    if mask is not None:
        full = np.zeros(shape, stored)
        full[mask] = kept.view(stored)
    full = full.reshape(shape)
    if encoding != "int8":
        return (full if encoding == "exact" else full.astype("<f4")), None
    with np.errstate(over="ignore", invalid="ignore"):  # a forged scale may be anything
        matrix = full.reshape(matrix_shape(shape)) * widen(scales)[:, None]
    return matrix.astype("<f4").reshape(shape), full


def join_planes(parts: list[np.ndarray]) -> bytes:
    """All values of one width together, byte 0 of each, then byte 1 of each, ...; narrow ones first.

    Together, because each of zstd's blocks has one Huffman table: planes must be longer than blocks.
    """
    out = []
    for size in WIDTHS:
        group = [part.view("u1").reshape(-1, size) for part in parts if part.itemsize == size]
        if group:
            out.append(np.ascontiguousarray(np.concatenate(group).T).tobytes())
    return b"".join(out)


def split_planes(raw: bytes, sizes: list[tuple[int, int]]) -> list[np.ndarray]:
    """The inverse: for each (width, count) the values as bytes. ValueError when the size is wrong."""
    if len(raw) != sum(wide * count for wide, count in sizes):
        raise ValueError(f"{len(raw)} bytes where {sum(w * n for w, n in sizes)} belong")
    out: list[np.ndarray] = [np.empty(0, "u1")] * len(sizes)
    start = 0
    for size in WIDTHS:
        places = [i for i, (wide, _) in enumerate(sizes) if wide == size]
        total = sum(sizes[i][1] for i in places)
        group = np.frombuffer(raw, "u1", total * size, start).reshape(size, total).T
        start += total * size
        at = 0
        for i in places:
            out[i] = np.ascontiguousarray(group[at : at + sizes[i][1]]).reshape(-1)
            at += sizes[i][1]
    return out
