"""Every form of a matrix, on every instruction set, against numpy."""

import numpy as np
import pytest

from audio_lottery.engine import native
from audio_lottery.errors import LotteryError

SHAPES = [(1, 1), (3, 5), (7, 129), (16, 64), (50, 257), (65, 300), (130, 128)]
FRAMES = [1, 2, 15, 16, 17, 63, 100, 300]


def weights(rng, rows, cols, density, unit=1):
    coarse = rng.random((-(-rows // unit), cols)) < density
    mask = np.repeat(coarse, unit, 0)[:rows]
    return np.where(mask, rng.normal(size=(rows, cols)), 0).astype(np.float32)


def close(got, want, cols):
    return np.abs(got - want).max(initial=0) < 2e-6 * max(cols, 8)


@pytest.mark.parametrize("kind", ["dense", "sparse", "4x1", "8x1", "16x1", "auto"])
def test_against_numpy(isa, kind):
    rng = np.random.default_rng(0)
    for rows, cols in SHAPES:
        for density in (0.0, 0.1, 0.5, 1.0):
            w, bias = weights(rng, rows, cols, density), rng.normal(size=rows).astype(np.float32)
            matrix = native.Matrix(w, bias, kind)
            assert kind in ("auto", matrix.kind)
            for frames in rng.choice(FRAMES, 3, replace=False):
                x = rng.normal(size=(cols, frames)).astype(np.float32)
                want = w.astype(np.float64) @ x + bias[:, None]
                assert close(matrix(x), want, cols), (rows, cols, density, frames)


@pytest.mark.parametrize("kind", ["dense", "sparse", "8x1", "int8"])
def test_threads_share_the_frames(isa, kind):
    rng, pool = np.random.default_rng(6), native.Pool(3)
    matrix = native.Matrix(weights(rng, 50, 64, 0.3), None, kind)
    for frames in FRAMES:
        x = rng.normal(size=(64, frames)).astype(np.float32)
        out = native.aligned((50, native.pad(frames)))
        matrix.run(native.channels_first(x), out, frames, pool)
        assert np.abs(out[:, :frames] - matrix(x)).max() < 1e-5, frames


def test_without_bias(isa):
    rng = np.random.default_rng(1)
    w, x = weights(rng, 9, 33, 0.3), rng.normal(size=(33, 20)).astype(np.float32)
    for kind in ("dense", "sparse", "8x1"):
        assert close(native.Matrix(w, None, kind)(x), w @ x, 33)


def test_int8_is_exact_integer_arithmetic(isa):
    rng = np.random.default_rng(2)
    for rows, cols in SHAPES:
        codes = (rng.integers(-127, 128, (rows, cols)) * (rng.random((rows, cols)) < 0.5)).astype(np.int8)
        scale, bias = rng.random(rows).astype(np.float32), rng.normal(size=rows).astype(np.float32)
        matrix = native.Matrix(codes, bias, codes=(codes, scale))
        for frames in (1, 16, 17, 100):
            x = rng.normal(size=(cols, frames)).astype(np.float32)
            top = np.maximum(np.abs(x).max(0), 1e-20)
            rounded = np.rint((x * (np.float32(127) / top)).astype(np.float32))
            want = (codes.astype(np.int64) @ rounded.astype(np.int64)) * (top / 127 * scale[:, None]) + bias[:, None]
            error = np.abs(matrix(x) - want).max()
            # one code may round the other way where the scaled value lies on a half
            assert error < 1e-5 * max(cols, 8) * scale.max() + 2 * (top / 127).max() * 127 * scale.max() * (cols > 100)


def test_int8_saturates_nowhere(isa):
    codes = np.full((3, 64), 127, np.int8)
    codes[1] = -127
    matrix = native.Matrix(codes, None, codes=(codes, np.ones(3, np.float32)))
    x = np.ones((64, 5), np.float32)
    x[1::2, 2] = -1
    want = np.array([[1, 1, 0, 1, 1], [-1, -1, 0, -1, -1], [1, 1, 0, 1, 1]]) * 64 * 127.0
    assert np.allclose(matrix(x), want, rtol=1e-6)


def test_int8_of_float_weights_is_close(isa):
    rng = np.random.default_rng(3)
    w, x = weights(rng, 40, 256, 0.2), rng.normal(size=(256, 30)).astype(np.float32)
    error = np.abs(native.Matrix(w, None, "int8")(x) - w @ x)
    assert error.max() < 0.05 * np.abs(w @ x).max()


def test_inputs_of_any_size(isa):
    rng = np.random.default_rng(4)
    w = weights(rng, 8, 64, 0.5)
    x = (rng.normal(size=(64, 4)) * [1e-30, 1e30, 0, 1]).astype(np.float32)
    for kind in ("dense", "sparse", "int8"):
        out = native.Matrix(w, None, kind)(x)
        assert np.isfinite(out).all() and (out[:, 2] == 0).all()


@pytest.mark.parametrize(
    "density, unit, form",
    [(1.0, 1, "dense"), (0.8, 1, "dense"), (0.1, 1, "sparse"), (0.02, 1, "sparse"), (0.1, 8, "x1"), (0.3, 4, "x1")],
)
def test_auto_takes_the_cheapest(isa, density, unit, form):
    matrix = native.Matrix(weights(np.random.default_rng(5), 256, 256, density, unit))
    assert form in matrix.kind
    assert matrix.work >= 256 * 256 * density * 0.95


@pytest.mark.parametrize("kind", ["vector", "vector sparse", "vector tiled", "vector block"])
def test_one_frame(isa, kind):
    rng = np.random.default_rng(6)
    for rows, cols in SHAPES:
        for density, unit in ((0.0, 1), (0.1, 1), (0.5, 16), (1.0, 1)):
            w, bias = weights(rng, rows, cols, density, unit), rng.normal(size=rows).astype(np.float32)
            x = rng.normal(size=cols).astype(np.float32)
            matrix = native.Matrix(w, bias, kind)
            assert matrix.kind.startswith(kind) and close(matrix.vector(x), w.astype(np.float64) @ x + bias, cols)


def test_an_unknown_instruction_set(engine, monkeypatch):
    monkeypatch.setenv("AUDIO_LOTTERY_ISA", "mmx")
    with pytest.raises(LotteryError, match="AUDIO_LOTTERY_ISA"):
        native.Matrix(np.ones((2, 2), np.float32))
