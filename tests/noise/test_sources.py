"""Noise from folders and made noise."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_lottery.data import kaldi
from audio_lottery.errors import LotteryError
from audio_lottery.noise import sources
from audio_lottery.noise.sources import Recordings, pink, source, stretch, white

ESC10 = Path(__file__).parents[2] / "../shared/corpora/esc10"


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def write(path: Path, samples: np.ndarray, rate: int = 8000) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)


def test_white_is_flat_and_pink_falls_by_3_db_an_octave():
    for make, slope in ((white, 0.0), (pink, -3.01)):
        power = np.abs(np.fft.rfft(make(rng(), 1 << 17))) ** 2
        octaves = [10 * np.log10(power[2**k : 2 ** (k + 1)].mean()) for k in range(8, 16)]
        assert np.diff(octaves).mean() == pytest.approx(slope, abs=0.1)
        assert len(make(rng(), 1001)) == 1001


def test_a_stretch_lies_in_the_file_and_a_short_file_repeats(tmp_path, monkeypatch):
    ramp = np.arange(8000) / 16000
    write(tmp_path / "ramp.wav", ramp)
    places = set()
    for seed in range(40):
        if seed == 20:  # a long file is read where it is needed, a short one is kept
            monkeypatch.setattr(sources, "SHORT", 0.0)
        part = stretch(tmp_path / "ramp.wav", rng(seed), 500, 8000)
        assert np.diff(part) == pytest.approx(1 / 16000, abs=1e-4)
        places.add(round(float(part[0]), 3))
        long = stretch(tmp_path / "ramp.wav", rng(seed), 20000, 8000)
        assert long[8000:16000] == pytest.approx(long[:8000])
    assert len(places) > 30


def test_resampled(tmp_path):
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(44100 * 2) / 44100)
    write(tmp_path / "tone.flac", np.stack([tone, tone], axis=1), 44100)
    part = stretch(tmp_path / "tone.flac", rng(), 8000, 8000)
    assert len(part) == 8000
    assert np.argmax(np.abs(np.fft.rfft(part))) == pytest.approx(440, abs=1)


def test_parts_are_apart(tmp_path):
    for i in range(10):
        write(tmp_path / f"noise/{i}.wav", rng(i).standard_normal(800) * 0.1)
    names = {part: set(Recordings(tmp_path / "noise", part).names) for part in ("train", "valid", "test", "all")}
    assert names["train"] | names["valid"] | names["test"] == names["all"]
    assert sum(map(len, names.values())) == 20


def test_silence_in_a_recording_is_passed_over(tmp_path):
    samples = np.zeros(80000)
    samples[40000:60000] = 0.1
    write(tmp_path / "bark.wav", samples)
    noise = Recordings(tmp_path, "all")
    assert all(noise.draw(rng(seed), 4000, 8000)[0].any() for seed in range(100))
    write(tmp_path / "bark.wav", np.zeros(80000))
    with pytest.raises(LotteryError, match="silent"):
        noise.draw(rng(), 4000, 8000)


def test_babble_leaves_the_speaker_out(tmp_path):
    rows = []
    for i in range(8):
        tone = 0.1 * (i + 1) * np.sin(2 * np.pi * (300 + 100 * i) * np.arange(8000) / 8000)
        write(tmp_path / f"wav/{i}.wav", tone)
        rows.append((f"u{i}", f"s{i // 2}", str(tmp_path / f"wav/{i}.wav"), "one"))
    kaldi.make_data_dir(rows).write(tmp_path / "data")
    noise, name = source(f"babble={tmp_path}/data", "all").draw(rng(), 8000, 8000, "u0")
    assert name == "babble"
    spectrum = np.abs(np.fft.rfft(noise))
    assert (spectrum[300:500:100] < 1e-2 * spectrum.max()).all()  # u0 and u1 are s0's
    assert spectrum[500:1100:100] == pytest.approx(spectrum.max(), rel=0.01)  # the six others are equally loud


@pytest.mark.parametrize(
    ("spec", "part", "message"),
    [
        ("nowhere", "test", "no such noise folder"),
        ("empty", "test", "no audio in this noise folder"),
        ("few", "valid", "--part all"),
        ("babble", "test", "babble=dump"),
        ("white", "dev", "--part dev"),
    ],
)
def test_bad_input(tmp_path, monkeypatch, spec, part, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/readme.txt").write_text("no audio")
    write(tmp_path / "few/a.wav", np.ones(10) / 2)
    with pytest.raises(LotteryError, match=message) as caught:
        source(spec, part)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not ESC10.is_dir(), reason="ESC-10 is not there")
def test_real_noise():
    noise = Recordings(ESC10, "test")
    assert 30 <= len(noise.names) <= 50
    drawn = [noise.draw(rng(seed), 6000, 8000) for seed in range(25)]
    assert len({name for _, name in drawn}) > 10
    for samples, _ in drawn:
        assert samples.shape == (6000,) and np.isfinite(samples).all() and np.abs(samples).max() > 1e-3
