"""Masks: exact for every shape, density and structure; close to their entropy."""

import numpy as np
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.export import maskcode


@given(st.integers(0, 3000), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_gaps_round_trip(size, density, seed):
    marks = np.random.default_rng(seed).random(size) < density
    assert (maskcode.decode(maskcode.encode(marks), size, int(marks.sum())) == marks).all()


@given(st.lists(st.integers(0, 9), max_size=4), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_split_and_join(shape, density, seed):
    mask = np.asarray(np.random.default_rng(seed).random(shape) < density)
    layout, marks = maskcode.split(mask)
    assert marks.size == maskcode.units(shape, layout.unit) and layout.marks == marks.sum()
    assert (maskcode.join(shape, layout, marks) == mask).all()


@pytest.mark.parametrize("unit", [(16, 1), (8, 1), (4, 1), (1, 4), (1, 64), (32, 1), (1, 1)])
def test_finds_the_blocks_a_mask_was_pruned_in(unit):
    coarse = np.random.default_rng(1).random((32 // unit[0], 64 // unit[1])) < 0.4
    mask = np.repeat(np.repeat(coarse, unit[0], 0), unit[1], 1)
    assert maskcode.split(mask)[0].unit == unit


@pytest.mark.parametrize("density", [0.05, 0.1, 0.2, 0.44])
def test_close_to_the_entropy(density):
    marks = np.random.default_rng(2).random(2_000_000) < density
    p = marks.mean()
    entropy = -marks.size * (p * np.log2(p) + (1 - p) * np.log2(1 - p)) / 8
    stored = len(zstandard.ZstdCompressor(level=19).compress(maskcode.encode(marks)))
    assert stored < 1.05 * entropy


@pytest.mark.parametrize(
    "data, size, count",
    [(b"\x05", 5, 1), (b"\xff", 300, 1), (b"\x00\xff", 300, 1), (b"\x00", 5, 2), (b"\xff\x00", 255, 1)],
)
def test_wrong_gaps(data, size, count):
    with pytest.raises(ValueError):
        maskcode.decode(data, size, count)
