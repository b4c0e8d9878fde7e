"""Noisy copies of data folders, through the command."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audio_lottery.bin import cli, mix_noise
from audio_lottery.data import kaldi
from audio_lottery.noise.level import active_power

CORPORA = Path(__file__).parents[2] / "../shared/corpora"


@pytest.fixture
def clean(tmp_path):
    """Four utterances, cut from two recordings by segments."""
    folder = tmp_path / "clean"
    folder.mkdir()
    for name in ("r1", "r2"):
        tone = 0.9 * np.sin(2 * np.pi * 300 * np.arange(16000) / 8000)
        soundfile.write(tmp_path / f"{name}.wav", tone, 8000)
    (folder / "wav.scp").write_text(f"r1 {tmp_path}/r1.wav\nr2 {tmp_path}/r2.wav\n")
    (folder / "segments").write_text("a r1 0 1\nb r1 1 2\nc r2 0.5 1.5\nd/e r2 0 -1\n")
    (folder / "text").write_text("a one\nb two\nc three\nd/e four\n")
    (folder / "utt2spk").write_text("a x\nb x\nc x\nd/e y\n")
    return folder


def run(clean, out, *options) -> int:
    return cli.main(mix_noise, ["--data", str(clean), "--out", str(out), "--noise", "white", "--snr", "5",
                                "--part", "test", *options])  # fmt: skip


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name[0] != "."}


def test_a_whole_data_folder(clean, tmp_path, capsys):
    out = tmp_path / "noisy"
    assert run(clean, out) == 0
    noisy = kaldi.DataDir.read(out)
    assert noisy.utterances == ["a", "b", "c", "d/e"] and noisy.segments is None
    assert (out / "text").read_text() == (clean / "text").read_text()
    assert (out / "utt2num_samples").read_text() == "a 8000\nb 8000\nc 8000\nd/e 16000\n"
    assert (out / "feats_type").read_text() == "raw\n"
    rows = [json.loads(line) for line in (out / "noise.jsonl").read_text().splitlines()]
    assert [row["utterance"] for row in rows] == noisy.utterances
    tone, _ = soundfile.read(tmp_path / "r1.wav")
    for row, cut in zip(rows[:2], (slice(0, 8000), slice(8000, 16000)), strict=True):
        samples, rate = soundfile.read(noisy.wav[row["utterance"]])
        assert rate == 8000 and row["scale"] < 1 and np.abs(samples).max() < 1  # 0.9 and noise would clip
        added = samples / row["scale"] - tone[cut]
        assert 10 * np.log10(active_power(tone[cut], rate) / np.mean(added**2)) == pytest.approx(5, abs=0.05)


def test_the_same_again_however_many_jobs(clean, tmp_path, capsys):
    assert run(clean, tmp_path / "one") == 0
    assert run(clean, tmp_path / "two", "--nj", "2") == 0
    one, two = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert [one[name] == two[name] for name in one if name != "wav.scp"] == [True] * (len(one) - 1)
    capsys.readouterr()
    assert run(clean, tmp_path / "one") == 0
    assert "already there" in capsys.readouterr().out
    assert run(clean, tmp_path / "one", "--seed", "1") == 0
    assert contents(tmp_path / "one")["wav/a.wav"] != one["wav/a.wav"]


def test_a_killed_run_is_done_again(clean, tmp_path):
    assert run(clean, tmp_path / "out") == 0
    whole = contents(tmp_path / "out")
    for name in (".noise.done", "wav.scp", "wav/b.wav"):
        (tmp_path / "out" / name).unlink()
    (tmp_path / "out/wav/a.wav").write_bytes(b"half")
    assert run(clean, tmp_path / "out") == 0
    assert contents(tmp_path / "out") == whole


def test_other_peoples_folders_are_left_alone(clean, tmp_path, capsys):
    shutil.copytree(clean, tmp_path / "other")
    before = contents(tmp_path / "other")
    assert run(clean, tmp_path / "other") == 1
    assert run(clean, clean) == 1
    errors = capsys.readouterr().err.splitlines()
    assert "did not write" in errors[0] and "clean set itself" in errors[1]
    assert contents(tmp_path / "other") == before


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--snr", "20", "0"], "turned round"), (["--noise", "nowhere"], "no such noise folder"),
     (["--data", "nowhere"], "no such data folder")],
)  # fmt: skip
def test_bad_input_is_one_line(clean, tmp_path, capsys, options, message):
    assert run(clean, tmp_path / "out", *options) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not (CORPORA / "esc10").is_dir(), reason="ESC-10 and fsdd are not there")
def test_test_noise_is_never_trained_on(tmp_path):
    rows = [(path.stem, path.stem.split("_")[1], str(path), "digit")
            for path in sorted((CORPORA / "fsdd/recordings").glob("*_[0-4].wav"))[::2]]  # fmt: skip
    kaldi.make_data_dir(rows).write(tmp_path / "data")
    heard = {}
    for part in ("train", "test"):
        assert run(tmp_path / "data", tmp_path / part, "--noise", str(CORPORA / "esc10"), "--part", part,
                   "--snr", "-5", "20") == 0  # fmt: skip
        lines = (tmp_path / part / "noise.jsonl").read_text().splitlines()
        heard[part] = {json.loads(line)["noise"] for line in lines}
        assert len(heard[part]) > 20
    assert not heard["train"] & heard["test"]
