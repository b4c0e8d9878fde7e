"""Formatting: referenced or written, dropped and counted, whole or not at all, done once."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.data import audio, kaldi, pipes
from audio_lottery.data.format import Options, file_name, format_data
from audio_lottery.errors import LotteryError

RNG = np.random.default_rng(0)


def speech(seconds, rate=8000, channels=1):
    shape = (round(seconds * rate), channels)
    return (RNG.standard_normal(shape) * 3000).astype(np.int16)


@pytest.fixture
def source(tmp_path):
    """A data folder of three one-second utterances at 8 kHz; one id and one path are odd."""
    rows = []
    for name, utterance in (("a", "s-1"), ("b b", "s/../2"), ("ç'$(touch x)", "s-3")):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, speech(1.0), 8000)
        rows.append((utterance, "s", str(path), "ONE TWO"))
    kaldi.make_data_dir(rows).write(tmp_path / "data")
    return tmp_path / "data"


def replace(source: Path, utterance: str, samples, rate: int, **options) -> Path:
    path = Path(kaldi.DataDir.read(source).wav[utterance])
    soundfile.write(path, samples, rate, **options)
    return path


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_audio_that_fits_is_referenced(source, tmp_path):
    dump = tmp_path / "dump/raw/train"
    assert format_data(source, dump, Options())
    assert sorted(p.name for p in dump.iterdir()) == [
        ".done", "feats_type", "spk2utt", "text", "utt2num_samples", "utt2spk", "wav.scp"]  # fmt: skip
    assert (dump / "wav.scp").read_bytes() == (source / "wav.scp").read_bytes()
    assert set(kaldi.read_table(dump / "utt2num_samples").values()) == {"8000"}
    assert (dump / "feats_type").read_text() == "raw\n"
    kaldi.DataDir.read(dump)


@pytest.mark.parametrize("container", ["wav", "flac"])
@pytest.mark.parametrize("nj", [1, 3])
def test_another_rate_is_resampled_with_one_note(source, tmp_path, capsys, container, nj):
    replace(source, "s/../2", speech(1.0, 16000), 16000)
    replace(source, "s-3", speech(1.0, 16000), 16000)
    dump = tmp_path / "dump"
    format_data(source, dump, Options(audio_format=container), nj)
    assert capsys.readouterr().out.count("resampled from 16000 Hz to 8000 Hz") == 1
    data = kaldi.DataDir.read(dump)
    counts = kaldi.read_table(dump / "utt2num_samples")
    for utterance, path in data.wav.items():
        info = audio.probe(path)
        assert info.rate == 8000 and info.frames == int(counts[utterance])
    assert Path(data.wav["s/../2"]).parent == dump / "wav"
    assert Path(data.wav["s-1"]).is_relative_to(dump) == (container == "flac")


def test_another_rate_is_refused_when_asked(source, tmp_path):
    path = replace(source, "s-3", speech(1.0, 16000), 16000)
    with pytest.raises(
        LotteryError, match=r"wav\.scp:2: .*16000 Hz, the recipe's rate is 8000: give --resample true"
    ):
        format_data(source, tmp_path / "dump", Options(resample=False))
    assert path.exists() and not (tmp_path / "dump").exists()


def test_several_channels(source, tmp_path):
    stereo = speech(1.0, channels=2)
    replace(source, "s-1", stereo, 8000)
    with pytest.raises(LotteryError, match=r"wav\.scp:1: .*2 channels: choose one with --channel 1"):
        format_data(source, tmp_path / "dump", Options())
    format_data(source, tmp_path / "dump", Options(channel="1"))
    picked, _ = audio.read(kaldi.DataDir.read(tmp_path / "dump").wav["s-1"])
    np.testing.assert_array_equal(audio.quantise(picked[:, 0]), stereo[:, 0])
    with pytest.raises(LotteryError, match="no channel 2 among 1"):
        format_data(source, tmp_path / "dump", Options(channel="2"))


def test_short_and_long_are_dropped_and_counted(source, tmp_path, capsys):
    replace(source, "s-1", speech(0.05), 8000)
    replace(source, "s-3", speech(2.5), 8000)
    dump = tmp_path / "dump"
    format_data(source, dump, Options(max_wav_duration=2.0))
    out = capsys.readouterr().out
    assert "dropped 1 utterances shorter than 0.1 s" in out and "dropped 1 utterances longer than 2 s" in out
    assert kaldi.DataDir.read(dump).utterances == ["s/../2"]
    with pytest.raises(LotteryError, match="no utterance of 5 to 6 s"):
        format_data(source, tmp_path / "none", Options(min_wav_duration=5, max_wav_duration=6))


def test_segments_are_cut(tmp_path):
    samples = speech(3.0)
    soundfile.write(tmp_path / "rec.wav", samples, 8000)
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "wav.scp").write_text(f"rec {tmp_path}/rec.wav\n")
    (folder / "segments").write_text("u1 rec 0.5 1.25\nu2 rec 1.5 3.3\n")
    (folder / "text").write_text("u1 ONE\nu2 TWO\n")
    (folder / "utt2spk").write_text("u1 s\nu2 s\n")
    format_data(folder, tmp_path / "dump", Options())
    data = kaldi.DataDir.read(tmp_path / "dump")
    assert data.segments is None
    for utterance, start, stop in (("u1", 4000, 10000), ("u2", 12000, 24000)):
        found, _ = audio.read(data.wav[utterance])
        np.testing.assert_array_equal(audio.quantise(found[:, 0]), samples[start:stop, 0])
    (folder / "segments").write_text("u1 rec 0.5 1.25\nu2 rec 1.5 9\n")
    with pytest.raises(LotteryError, match=r"segments:2: .*segment of u2 ends after the recording's 3\.00 s"):
        format_data(folder, tmp_path / "dump", Options())


@pytest.mark.parametrize("container, subtype, channels", [
    ("FLAC", None, 1), ("OGG", "VORBIS", 1), ("OGG", "OPUS", 1), ("MP3", None, 1), ("NIST", None, 1),
    ("FLAC", None, 3), ("OGG", "OPUS", 2),
])
def test_segments_of_every_format_hold_their_own_samples(tmp_path, container, subtype, channels):
    low = np.cumsum(RNG.standard_normal((80000, channels)), axis=0)
    path = tmp_path / "rec.x"
    soundfile.write(path, 0.5 * low / np.abs(low).max(), 8000, format=container, subtype=subtype)
    whole = soundfile.read(path, dtype="float32", always_2d=True)[0][:, -1]
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "wav.scp").write_text(f"rec {path}\n")
    (folder / "segments").write_text("u1 rec 0.5 1.25\nu2 rec 9.9 -1\nu3 rec 4 9.95\n")
    for name, value in (("text", "ONE"), ("utt2spk", "s")):
        (folder / name).write_text("".join(f"u{i} {value}\n" for i in (1, 2, 3)))
    format_data(folder, tmp_path / "dump", Options(channel=str(channels) if channels > 1 else None))
    data = kaldi.DataDir.read(tmp_path / "dump")
    for utterance, start, stop in (("u1", 4000, 10000), ("u2", 79200, 80000), ("u3", 32000, 79600)):
        found = soundfile.read(data.wav[utterance], dtype="float32")[0]
        np.testing.assert_allclose(found, whole[start:stop], atol=2**-15)


def test_speed_perturbation(source, tmp_path):
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(8000) / 8000)
    replace(source, "s-1", tone, 8000)
    format_data(source, tmp_path / "dump", Options(speeds=(0.9, 1.0, 1.1)), nj=2)
    data = kaldi.DataDir.read(tmp_path / "dump")
    assert len(data.text) == 9 and data.speakers == ["s", "sp0.9-s", "sp1.1-s"]
    assert data.text["sp0.9-s-3"] == "ONE TWO" and data.utt2spk["sp1.1-s/../2"] == "sp1.1-s"
    counts = kaldi.read_table(tmp_path / "dump/utt2num_samples")
    assert counts["s-1"] == "8000" and abs(int(counts["sp0.9-s-1"]) - 8889) <= 1
    for speed in (0.9, 1.1):
        found, rate = soundfile.read(data.wav[f"sp{speed}-s-1"])
        assert rate == 8000
        expected = 0.5 * np.sin(2 * np.pi * 440 * speed * np.arange(len(found)) / 8000)  # pitch moves with the tempo
        assert np.abs(found - expected)[200:-200].max() < 2e-3


def test_limits_hold_for_the_perturbed_length(source, tmp_path):
    format_data(source, tmp_path / "dump", Options(speeds=(0.5, 1.0), max_wav_duration=1.5))
    assert len(kaldi.DataDir.read(tmp_path / "dump").text) == 3


def piped(source: Path, command: str) -> Path:
    """Put a command in the place of the second recording's file."""
    lines = (source / "wav.scp").read_text().splitlines()
    path = lines[1].split(maxsplit=1)[1]
    lines[1] = f"{lines[1].split()[0]} {command.format(path=path)}"
    (source / "wav.scp").write_text("\n".join(lines) + "\n")
    return source


@pytest.mark.parametrize("command", ["cat {path} |", "cat < {path} | cat |", "A=1 cat {path} |"])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_pipes_run_only_when_allowed(source, tmp_path, command, rate):
    before = kaldi.DataDir.read(source)
    target = tmp_path / "plain.wav"
    os.rename(before.wav["s-3"], target)
    samples, _ = audio.read(target)
    piped(source, command.format(path=target))
    with pytest.raises(LotteryError, match=r"wav\.scp:2: .*would run a command: .*--allow_pipes true"):
        format_data(source, tmp_path / "dump", Options())
    assert not (tmp_path / "dump").exists()
    format_data(source, tmp_path / "dump", Options(fs=rate, allow_pipes=True))
    path = Path(kaldi.DataDir.read(tmp_path / "dump").wav["s-3"])
    assert path.is_relative_to(tmp_path / "dump") and audio.probe(path).rate == rate
    if rate == 8000:
        np.testing.assert_array_equal(audio.read(path)[0], samples)
    else:
        assert not list((tmp_path / "dump/piped").iterdir())
    assert not format_data(source, tmp_path / "dump", Options(fs=rate, allow_pipes=True))


@pytest.mark.parametrize("command, message", [
    ("cat /no/such/file |", r"wav\.scp:2: 'cat /no/such/file' failed with status 1 \(.*No such file"),
    ("no_such_program x |", "'no_such_program' cannot be started"),
    ("false | cat |", "'false | cat' failed with status 1"),
    ("cat 'x |", "is no command"),
    ("echo words |", "unreadable audio"),
])
def test_a_pipe_that_fails_is_named(source, tmp_path, command, message):
    with pytest.raises(LotteryError, match=message.replace("|", r"\|")):
        format_data(piped(source, command), tmp_path / "dump", Options(allow_pipes=True))
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith((".", "dump"))) == []


def test_arguments_reach_a_program_without_a_shell():
    assert pipes.argument_list("sox 'a b.wav' -t wav -") == ["sox", "a b.wav", "-t", "wav", "-"]
    assert pipes.argument_list("cat a | b")[0] == "bash"


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "words"])
def test_damaged_audio_leaves_the_dump_as_it_was(source, tmp_path, damage):
    dump = tmp_path / "dump"
    format_data(source, dump, Options())
    before = snapshot(dump)
    path = Path(kaldi.DataDir.read(source).wav["s-3"])
    content = {"empty": b"", "cut": path.read_bytes()[:-100], "words": b"words"}.get(damage)
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LotteryError, match=r"wav\.scp:2: .*ç'\$\(touch x\)\.wav: "):
        format_data(source, dump, Options(), nj=2)
    assert snapshot(dump) == before
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_finished_work_is_recognised_and_changes_are_seen(source, tmp_path):
    dump = tmp_path / "dump"
    assert format_data(source, dump, Options())
    assert not format_data(source, dump, Options())
    assert format_data(source, dump, Options(audio_format="flac"))
    assert not format_data(source, dump, Options(audio_format="flac"))
    replace(source, "s-1", speech(1.5), 8000)
    assert format_data(source, dump, Options(audio_format="flac"))
    (source / "text").write_text((source / "text").read_text().replace("TWO", "SIX"))
    assert format_data(source, dump, Options(audio_format="flac"))
    assert "SIX" in (dump / "text").read_text()
    (dump / "text").unlink()
    assert format_data(source, dump, Options(audio_format="flac"))
    next((dump / "wav").iterdir()).unlink()
    assert format_data(source, dump, Options(audio_format="flac"))


def test_a_killed_run_is_done_again(source, tmp_path, repo_root):
    dump = tmp_path / "dump"
    code = f"""
import os
from audio_lottery.data import audio, format
audio.write = lambda *args: os.kill(os.getpid(), 9)  # dies while audio is being written
format.format_data({str(source)!r}, {str(dump)!r}, format.Options(fs=16000))
"""
    killed = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(repo_root)})
    assert killed.returncode == -9 and not dump.exists()
    assert format_data(source, dump, Options(fs=16000))
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == []


def test_a_folder_of_other_files_is_not_replaced(source, tmp_path):
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.tex").write_text("x")
    with pytest.raises(LotteryError, match="holds files this command did not write"):
        format_data(source, precious, Options())
    assert (precious / "thesis.tex").read_text() == "x"


def test_skipping_takes_no_time(source, tmp_path):
    rows = [(f"u{i:04d}", "s", kaldi.DataDir.read(source).wav["s-1"], "ONE") for i in range(3000)]
    kaldi.make_data_dir(rows).write(tmp_path / "many")
    format_data(tmp_path / "many", tmp_path / "dump", Options())
    start = time.process_time()
    assert not format_data(tmp_path / "many", tmp_path / "dump", Options())
    assert time.process_time() - start < 1.0


@given(st.text(min_size=1, max_size=90), st.text(min_size=1, max_size=90))
def test_file_names_stay_apart_and_inside(one, other):
    ids = [text.encode("utf-8", "ignore").decode() or "u" for text in (one, other)]
    names = [file_name(utterance, "wav") for utterance in ids]
    assert (names[0] == names[1]) == (ids[0] == ids[1])
    for name in names:
        assert "/" not in name and "\0" not in name and len(name.encode()) < 255


def test_an_error_among_many_jobs_leaves_nothing(tmp_path):
    soundfile.write(tmp_path / "good.wav", speech(0.3, 16000), 16000)
    (tmp_path / "bad.wav").write_bytes(b"")
    rows = [(f"u{i:03d}", "s", str(tmp_path / "good.wav"), "ONE") for i in range(200)]
    rows[40] = ("u040", "s", str(tmp_path / "bad.wav"), "ONE")
    kaldi.make_data_dir(rows).write(tmp_path / "data")
    with pytest.raises(LotteryError, match=r"wav\.scp:41: .*bad\.wav: empty file"):
        format_data(tmp_path / "data", tmp_path / "dump", Options(), nj=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.wav", "data", "good.wav"]
