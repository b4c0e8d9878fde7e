"""Active speech level, on signals whose level is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_lottery.noise.level import active_power

RATE = 8000


def tone(seconds: float, amplitude: float = 0.5, frequency: float = 440.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * RATE)) / RATE)


def decibels(power: float) -> float:
    return 10 * np.log10(power)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 5), st.floats(0.25, 5), st.floats(0, 5), st.floats(0.3, 2), st.floats(0.01, 1))
def test_silence_around_and_between_does_not_count(before, between, after, seconds, amplitude):
    parts = [np.zeros(round(before * RATE)), tone(seconds, amplitude), np.zeros(round(between * RATE)),
             tone(seconds, amplitude), np.zeros(round(after * RATE))]  # fmt: skip
    # At worst four edges lie inside a 20 ms frame: a few tenths of a dB of the shortest burst.
    assert decibels(active_power(np.concatenate(parts), RATE)) == pytest.approx(decibels(amplitude**2 / 2), abs=0.35)


def test_a_noise_floor_does_not_count():
    rng = np.random.default_rng(0)
    speech = np.concatenate([np.zeros(RATE * 3), tone(1.0), np.zeros(RATE * 3)])
    noisy = speech + 0.5 / np.sqrt(2) * 10 ** (-25 / 20) * rng.standard_normal(len(speech))
    assert decibels(active_power(noisy, RATE)) == pytest.approx(decibels(0.125), abs=0.15)


def test_short_pauses_count_as_speech():
    burst, pause = tone(0.2), np.zeros(round(0.1 * RATE))
    speech = np.concatenate([*([burst, pause] * 4), burst])
    assert active_power(speech, RATE) == pytest.approx(0.125 * 1.0 / 1.4, rel=0.02)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 10), st.floats(-1, 1))
def test_scales_with_the_signal_and_ignores_dc(seed, gain, offset):
    rng = np.random.default_rng(seed)
    speech = rng.standard_normal(4000) * np.repeat(rng.random(20) ** 3, 200)
    assert active_power(gain * speech + offset, RATE) == pytest.approx(gain**2 * active_power(speech, RATE), rel=1e-3)


@pytest.mark.parametrize("samples", [np.zeros(0), np.zeros(1), np.zeros(9999), np.full(500, 0.3)])
def test_silence_has_no_level(samples):
    assert active_power(samples, RATE) == pytest.approx(0, abs=1e-20)
