"""The format command: options, messages, status."""

import numpy as np
import pytest
import soundfile

from audio_lottery.bin import cli, format
from audio_lottery.data import kaldi


@pytest.fixture
def folders(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.ones(16000, dtype=np.int16), 16000)
    kaldi.make_data_dir([("u", "s", str(tmp_path / "a.wav"), "ONE")]).write(tmp_path / "data")
    return ["--data", str(tmp_path / "data"), "--dump", str(tmp_path / "dump")]


def test_formats_once(folders, tmp_path, capsys):
    assert cli.main(format, folders) == 0
    assert cli.main(format, folders) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1:] == [f"{tmp_path}/dump: done", f"{tmp_path}/dump: already formatted"]
    assert "resampled from 16000 Hz to 8000 Hz" in out[0]


def test_refuses_on_one_line(folders, tmp_path, capsys):
    assert cli.main(format, [*folders, "--resample", "false"]) == 1
    error = capsys.readouterr().err
    assert "wav.scp:1: " in error and "--resample true" in error and error.count("\n") == 1
    assert not (tmp_path / "dump").exists()


@pytest.mark.parametrize(
    "option",
    [["--channel", "0"], ["--channel", "left"], ["--audio_format", "mp3"], ["--resample", "maybe"],
     ["--nj", "x"], ["--fs", "0"], ["--nj", "0"], ["--max_wav_duration", "nan"]],
)  # fmt: skip
def test_bad_options(folders, capsys, option):
    with pytest.raises(SystemExit) as stopped:
        cli.main(format, [*folders, *option])
    assert stopped.value.code == 1 and option[0] in capsys.readouterr().err


def test_no_limit_on_the_length(folders):
    assert cli.main(format, [*folders, "--min_wav_duration", "0", "--max_wav_duration", "inf"]) == 0
