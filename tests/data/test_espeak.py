"""eSpeak NG: the same bytes on every run, and nothing it refuses goes unnoticed."""

import numpy as np
import pytest

from audio_lottery.data.espeak import Speech, synthesise
from audio_lottery.errors import LotteryError

pytest.importorskip("espeakng_loader", reason="espeakng-loader is not installed")


def test_history_does_not_change_an_utterance():
    # f2 breathes: its noise depends on the seed, and on the utterances before in a careless driver.
    job, other = Speech("en-us+f2", "seven three one", seed=3), Speech("en-us+m1", "nine", rate=200)
    (first, rate), (_, _), (second, _) = synthesise([job, other, job])
    ((alone, _),) = synthesise([job])
    assert rate == 22050 and first.dtype == np.int16
    assert 0.5 < len(first) / rate < 3 and np.abs(first).max() > 1000
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, alone)


def test_voice_rate_pitch_and_seed_are_heard():
    base = Speech("en-us+f2", "seven", rate=175, pitch=50, seed=1)
    changed = [
        Speech("en-us+m1", "seven", seed=1),
        Speech("en-us+f2", "seven", rate=220, seed=1),
        Speech("en-us+f2", "seven", pitch=70, seed=1),
        Speech("en-us+f2", "seven", seed=2),
    ]
    sounds = [samples.tobytes() for samples, _ in synthesise([base, *changed])]
    assert len(set(sounds)) == 5


@pytest.mark.parametrize(
    ("job", "message"),
    [
        (Speech("klingon-xx", "one"), "refused the voice .*klingon-xx"),
        (Speech("en-us+nobody", "one"), "no voice variant 'nobody'"),
    ],
)
def test_what_it_cannot_say_is_an_error(job, message):
    with pytest.raises(LotteryError, match=message):
        list(synthesise([Speech("en-us", "one"), job]))


def test_stopping_early_leaves_no_helper():
    speech = synthesise([Speech("en-us", "one")] * 50)
    assert len(next(speech)[0])
    speech.close()


def test_without_the_package_the_error_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "espeakng_loader.py").write_text("raise ImportError('not here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(LotteryError, match="cannot be loaded .not here.: pip install espeakng-loader"):
        list(synthesise([Speech("en-us", "one")]))


def test_a_helper_that_dies_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "espeakng_loader.py").write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(LotteryError, match="crashed at 'one' with voice en-us"):
        list(synthesise([Speech("en-us", "one")]))
