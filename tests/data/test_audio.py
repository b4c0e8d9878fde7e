"""Audio: damage in real files is found and named, channels and rates are handled."""

import tarfile

import numpy as np
import pytest
import soundfile

from audio_lottery.data import audio
from audio_lottery.errors import LotteryError

NOISE = (np.random.default_rng(0).standard_normal(8000) * 3000).astype(np.int16)
WHERE = "data/wav.scp:7"


def make(path, container, frames=NOISE):
    soundfile.write(path, frames, 8000, format=container)
    return path


@pytest.mark.parametrize(
    "container", ["WAV", "WAVEX", "AIFF", "AU", "W64", "RF64", "NIST", "FLAC", "OGG", "MP3"]
)
def test_whole_audio_passes_and_cut_audio_is_found(tmp_path, container):
    path = make(tmp_path / "a b.x", container)
    assert audio.probe(path).frames == 8000
    whole = path.read_bytes()
    for keep in (len(whole) - 1, len(whole) // 2):
        path.write_bytes(whole[:keep])
        with pytest.raises(LotteryError, match=r"wav\.scp:7: .*a b\.x: truncated audio"):
            audio.probe(path, WHERE)


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "NIST", "AIFF"])
@pytest.mark.parametrize("keep", [1, 20, 30])
def test_a_cut_header_is_one_line(tmp_path, container, keep):
    path = make(tmp_path / "a", container)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(LotteryError, match="unreadable|truncated") as caught:
        audio.read(path, where=WHERE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "empty file"), (b"these are words, no audio", "unreadable audio"), (None, "no such audio file")],
)
def test_missing_empty_and_unreadable(tmp_path, content, message):
    path = tmp_path / "x.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LotteryError, match=rf"^data/wav\.scp:7: .*x\.wav: {message}"):
        audio.probe(path, WHERE)


def test_a_header_without_samples(tmp_path):
    with pytest.raises(LotteryError, match="no samples"):
        audio.probe(make(tmp_path / "x.wav", "WAV", NOISE[:0]))


def test_a_folder_is_no_audio(tmp_path):
    with pytest.raises(LotteryError, match="is a folder"):
        audio.probe(tmp_path)


def test_a_length_left_open_by_a_pipe_is_no_truncation(tmp_path):
    path = make(tmp_path / "x.wav", "WAV")
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"  # as sox and ffmpeg leave it
    path.write_bytes(data)
    assert audio.probe(path).frames == 8000


def test_bytes_after_the_samples_are_no_truncation(tmp_path):
    path = make(tmp_path / "x.wav", "WAV")
    path.write_bytes(path.read_bytes() + b"junk")
    assert audio.probe(path).frames == 8000


def test_reads_part_of_a_file(tmp_path):
    samples, rate = audio.read(make(tmp_path / "x.flac", "FLAC"), 100, 300)
    assert rate == 8000 and samples.shape == (200, 1) and samples.dtype == np.float32
    np.testing.assert_array_equal(audio.quantise(samples[:, 0]), NOISE[100:300])


def test_channels():
    stereo = np.stack([np.ones(4), np.zeros(4)], axis=1).astype(np.float32)
    with pytest.raises(LotteryError, match="2 channels: choose one with --channel 1"):
        audio.to_mono(stereo, None, "f")
    with pytest.raises(LotteryError, match="no channel 3 among 2"):
        audio.to_mono(stereo, "3", "f")
    assert audio.to_mono(stereo, "2", "f").sum() == 0
    np.testing.assert_array_equal(audio.to_mono(stereo, "mix", "f"), np.full(4, 0.5))
    assert audio.to_mono(stereo[:, :1], None, "f").shape == (4,)


def test_resampling_keeps_a_tone():
    tone = np.sin(2 * np.pi * 440 * np.arange(22050) / 22050).astype(np.float32)
    low = audio.resample(tone, 22050, 8000)
    assert abs(len(low) - 8000) <= 1
    expected = np.sin(2 * np.pi * 440 * np.arange(len(low)) / 8000)
    assert np.abs(low - expected)[200:-200].max() < 1e-3
    assert audio.resample(tone, 8000, 8000) is tone


@pytest.mark.parametrize("container", ["wav", "flac"])
def test_written_audio_reads_back_to_the_bit(tmp_path, container):
    path = tmp_path / "new folder" / "x"
    audio.write(path, NOISE, 8000, container)
    samples, rate = audio.read(path)
    np.testing.assert_array_equal(audio.quantise(samples[:, 0]), NOISE)
    info = soundfile.info(path)
    assert (info.format, info.subtype, rate) == (container.upper(), "PCM_16", 8000)
    assert [p.name for p in path.parent.iterdir()] == ["x"]


def test_loud_samples_clip_instead_of_wrapping():
    assert audio.quantise(np.array([2.0, -2.0, 1.0, -1.0])).tolist() == [32767, -32768, 32767, -32768]


def test_real_opus_and_vorbis_files_are_whole(corpora):
    files = sorted((corpora / "speechocean762/WAVE").rglob("*.opus"))[:50]
    files += sorted((corpora / "esc10").rglob("*.ogg"))[:20]
    assert len(files) == 70
    for path in files:
        assert audio.probe(path).seconds > 0.1


def test_real_sphere_files_are_whole(corpora, tmp_path):
    with tarfile.open(corpora / "mini_an4/downloads.tar.gz") as tar:
        members = [member for member in tar.getmembers() if member.name.endswith(".sph")]
        tar.extractall(tmp_path, members, filter="data")
    assert members
    for member in members:
        assert audio.probe(tmp_path / member.name).format == "NIST"
