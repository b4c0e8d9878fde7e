"""Validation: counts, sorting in place, and the first fault."""

import numpy as np
import pytest
import soundfile

from audio_lottery.data import validate
from audio_lottery.errors import LotteryError


@pytest.fixture
def folder(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(8000, dtype=np.int16), 8000)
    soundfile.write(tmp_path / "b.wav", np.zeros(24000, dtype=np.int16), 16000)
    path = tmp_path / "data"
    path.mkdir()
    (path / "wav.scp").write_text(f"u2 {tmp_path}/b.wav\nu1 {tmp_path}/a.wav\n")
    (path / "text").write_text("u1 ONE TWO\nu2 SIX\n")
    (path / "utt2spk").write_text("u1 s\nu2 t\n")
    return path


def test_counts_and_sorts(folder, capsys):
    row = validate.validate(folder)
    assert row == {"folder": str(folder), "utterances": 2, "speakers": 2, "words": 3, "seconds": 2.5}
    assert "wav.scp: sorted" in capsys.readouterr().err
    assert (folder / "wav.scp").read_text().startswith("u1 ")
    assert (folder / "spk2utt").read_text() == "s u1\nt u2\n"
    validate.validate(folder)
    assert capsys.readouterr().err == ""


def test_segments_count_their_own_time(folder):
    (folder / "segments").write_text("v1 u1 0 0.25\nv2 u2 0.5 -1\n")
    for name in ("text", "utt2spk"):
        (folder / name).write_text((folder / name).read_text().replace("u", "v"))
    assert validate.validate(folder)["seconds"] == 1.25


def test_audio_is_checked_unless_told_not_to(folder, tmp_path):
    (tmp_path / "b.wav").write_bytes(b"")
    with pytest.raises(LotteryError, match=r"wav\.scp:1: .*b\.wav: empty file"):
        validate.validate(folder)
    assert validate.validate(folder, check_audio=False)["seconds"] is None


def test_sample_counts_must_be_true(folder):
    (folder / "utt2num_samples").write_text("u1 8000\nu2 24000\n")
    validate.validate(folder)
    (folder / "utt2num_samples").write_text("u1 8000\nu2 23999\n")
    with pytest.raises(LotteryError, match=r"utt2num_samples:2: u2 has 24000 samples"):
        validate.validate(folder)


def test_pipes_pass_when_allowed_and_are_not_run(folder, tmp_path):
    (folder / "wav.scp").write_text(f"u1 {tmp_path}/a.wav\nu2 touch {tmp_path}/run |\n")
    with pytest.raises(LotteryError, match="would run a command"):
        validate.validate(folder)
    assert validate.validate(folder, allow_pipes=True)["seconds"] is None
    assert not (tmp_path / "run").exists()
