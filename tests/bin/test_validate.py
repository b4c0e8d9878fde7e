"""The validate command."""

import json

import numpy as np
import soundfile

from audio_lottery.bin import cli, validate
from audio_lottery.data import kaldi


def test_prints_counts_as_text_and_json(tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", np.zeros(8000, dtype=np.int16), 8000)
    folders = [str(tmp_path / name) for name in ("one", "two")]
    for folder in folders:
        kaldi.make_data_dir([("u", "s", str(tmp_path / "a.wav"), "ONE TWO")]).write(folder)
    assert cli.main(validate, folders) == 0
    assert (
        capsys.readouterr().out.splitlines()[1] == f"{folders[1]}: 1 utterances, 1 speakers, 0.00 h (1.0 s)"
    )
    assert cli.main(validate, [*folders, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["seconds"] for row in rows] == [1.0, 1.0] and rows[0]["words"] == 2
    (tmp_path / "two/text").write_text("u \n")
    assert cli.main(validate, folders) == 1
    error = capsys.readouterr().err
    assert "two/text:1: empty transcript of u" in error and error.count("\n") == 1
