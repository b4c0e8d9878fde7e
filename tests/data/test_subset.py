"""The utterances of some speakers: tables that still fit one another, audio left where it is."""

import pytest

from audio_lottery.bin import cli, subset
from audio_lottery.data import kaldi


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "train"
    kaldi.write_table(folder / "wav.scp", {"a": "a.flac", "b": "b.flac"})
    kaldi.write_table(folder / "segments", {"x1": "a 0 1", "x2": "b 0 1", "y1": "b 1 2"})
    kaldi.write_table(folder / "text", {"x1": "one", "x2": "two", "y1": "three"})
    kaldi.write_table(folder / "utt2spk", {"x1": "x", "x2": "x", "y1": "y"})
    kaldi.write_table(folder / "utt2num_samples", {"x1": 8000, "x2": 8000, "y1": 8000})
    (folder / "feats_type").write_text("raw\n")
    return folder


def cut(data, out, *speakers):
    return cli.main(subset, ["--data", str(data), "--out", str(out), "--speakers", *speakers])


def test_tables_fit_one_another(data, tmp_path):
    out = tmp_path / "y"
    assert cut(data, out, "y") == 0
    found = kaldi.DataDir.read(out)
    assert (found.utterances, found.speakers, dict(found.wav)) == (["y1"], ["y"], {"b": "b.flac"})
    assert (out / "utt2num_samples").read_text() == "y1 8000\n" and (out / "feats_type").read_text() == "raw\n"
    before = (out / "text").stat().st_mtime_ns
    assert cut(data, out, "y") == 0 and (out / "text").stat().st_mtime_ns == before
    assert cut(data, out, "x", "y") == 0 and kaldi.DataDir.read(out).utterances == ["x1", "x2", "y1"]


def test_features_without_audio(data, tmp_path):
    for name in ("wav.scp", "segments"):
        (data / name).unlink()
    kaldi.write_table(data / "feats.scp", {"x1": "f.ark:3", "x2": "f.ark:9", "y1": "f.ark:20"})
    assert cut(data, tmp_path / "x", "x") == 0
    assert (tmp_path / "x/feats.scp").read_text() == "x1 f.ark:3\nx2 f.ark:9\n"


@pytest.mark.parametrize("speaker, out, why", [
    ("z", "z", "utt2spk: has no speaker z: choose from x, y"),
    ("x", "train", "is the folder itself"),
    ("x", "other", "holds files this command did not write"),
])
def test_what_cannot_be_cut(data, tmp_path, capsys, speaker, out, why):
    (tmp_path / "other").mkdir()
    (tmp_path / "other/text").write_text("mine")
    assert cut(data, tmp_path / out, speaker) == 1
    assert why in capsys.readouterr().err


def test_a_table_with_a_hole(data, tmp_path, capsys):
    kaldi.write_table(data / "text", {"x1": "one"})
    assert cut(data, tmp_path / "x", "x") == 1
    assert "text: has no line of x2" in capsys.readouterr().err and not (tmp_path / "x").exists()
