"""Mixing at an SNR that is known, the same way every time."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_lottery.errors import LotteryError
from audio_lottery.noise.level import active_power
from audio_lottery.noise.mix import FULL_SCALE, make_mixer, mix

CORPORA = Path(__file__).parents[2] / "../shared/corpora"
RATE = 8000


def speech_like() -> np.ndarray:
    """One second of a tone of power 0.02 between two seconds of silence and one."""
    tone = 0.2 * np.sin(2 * np.pi * 300 * np.arange(RATE) / RATE)
    return np.concatenate([np.zeros(2 * RATE), tone, np.zeros(RATE)])


@pytest.mark.parametrize("snr", [-5, 0, 5, 10, 20])
def test_true_snr(snr):
    speech, noise = speech_like(), 7 * np.random.default_rng(0).standard_normal(4 * RATE)
    noisy, scale = mix(speech, noise, snr, RATE)
    added = noisy / scale - speech
    # The tone's own power, 0.02, over the noise's; the level of the whole file would be 6 dB lower.
    assert 10 * np.log10(0.02 / np.mean(added**2)) == pytest.approx(snr, abs=0.05)


@settings(max_examples=40, deadline=None)
@given(st.floats(-20, 40), st.floats(1e-3, 1), st.floats(1e-4, 1e3))
def test_clipping_is_avoided_and_keeps_the_snr(snr, loud, gain):
    speech = loud * speech_like() * 5
    noise = gain * np.random.default_rng(1).standard_normal(len(speech))
    noisy, scale = mix(speech, noise, snr, RATE)
    assert np.abs(noisy).max() <= FULL_SCALE + 1e-6
    assert scale <= 1 and (scale == 1 or np.abs(noisy).max() == pytest.approx(FULL_SCALE, abs=1e-4))
    added = noisy.astype(np.float64) / scale - speech
    assert 10 * np.log10(active_power(speech, RATE) / np.mean(added**2)) == pytest.approx(snr, abs=0.1)


def test_depends_on_seed_utterance_and_epoch_alone():
    speech = speech_like()
    first = make_mixer(["white", "pink"], [0, 20], "test", seed=3)
    again = make_mixer(["white", "pink"], [0, 20], "test", seed=3)
    again("other", speech, RATE)  # what was mixed before does not matter
    for utterance in ("a", "b"):
        one, two = first(utterance, speech, RATE), again(utterance, speech, RATE)
        assert (one[0] == two[0]).all() and one[1] == two[1]
    assert first("a", speech, RATE)[1] != first("b", speech, RATE)[1]
    assert first("a", speech, RATE)[1] != first("a", speech, RATE, epoch=1)[1]
    assert first("a", speech, RATE)[1] != make_mixer(["white", "pink"], [0, 20], "test", seed=4)("a", speech, RATE)[1]


def test_range_probability_and_choice_of_noise():
    mixer = make_mixer(["white", "pink"], [0, 20], "train", probability=0.4)
    mixed = [mixer(f"u{i}", speech_like(), RATE)[1] for i in range(300)]
    noisy = [what for what in mixed if what]
    assert len(noisy) == pytest.approx(120, abs=35)
    snrs = np.array([what.snr for what in noisy])
    assert 0 <= snrs.min() < 3 and 17 < snrs.max() <= 20 and snrs.mean() == pytest.approx(10, abs=2)
    assert {what.noise for what in noisy} == {"white", "pink"}
    clean = next(i for i, what in enumerate(mixed) if not what)
    assert (mixer(f"u{clean}", speech_like(), RATE)[0] == speech_like()).all()


def test_every_snr_has_the_same_noise():
    speech = speech_like()
    quiet, _ = make_mixer(["pink"], [20], "test")("a", speech, RATE)
    loud, _ = make_mixer(["pink"], [0], "test")("a", speech, RATE)
    assert (loud - speech) == pytest.approx(10 * (quiet - speech), abs=1e-4)


@pytest.mark.parametrize(
    ("snr", "probability", "message"),
    [([20, 0], 1, "turned round: write 0 20"), ([], 1, "SNR : give"), ([1, 2, 3], 1, "SNR 1 2 3"),
     ([float("nan")], 1, "SNR nan"), ([5], 0, "probability"), ([5], 1.5, "probability")],
)  # fmt: skip
def test_bad_options(snr, probability, message):
    with pytest.raises(LotteryError, match=message):
        make_mixer(["white"], snr, "test", probability)


def test_silent_utterances_are_named():
    with pytest.raises(LotteryError, match="u7: silent"):
        make_mixer(["white"], [5], "test")("u7", np.zeros(RATE), RATE)


@pytest.mark.skipif(not (CORPORA / "esc10").is_dir(), reason="ESC-10 and fsdd are not there")
def test_real_digits_in_real_noise():
    mixer = make_mixer([str(CORPORA / "esc10")], [5], "test")
    files = sorted((CORPORA / "fsdd/recordings").glob("*_theo_[0-4].wav"))
    assert len(files) == 50
    for path in files:
        speech, rate = soundfile.read(path, dtype="float32")
        noisy, mixed = mixer(path.stem, speech, rate)
        added = noisy.astype(np.float64) / mixed.scale - speech
        assert 10 * np.log10(active_power(speech, rate) / np.mean(added**2)) == pytest.approx(5, abs=0.05)
