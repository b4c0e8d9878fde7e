"""Bad data and a full disk in the stages before training: one line, and a later run makes it good."""

import importlib
import shutil
from pathlib import Path

import pytest
import soundfile

from audio_lottery.bin import cli

SMALL = ["--train_strings", "8", "--dev_strings", "2", "--test_strings", "2"]


def command(name: str, *arguments: object) -> int:
    return cli.main(importlib.import_module(f"audio_lottery.bin.{name}"), [str(one) for one in arguments])


@pytest.fixture
def refused(capfd):
    def call(name: str, *arguments: object) -> str:
        capfd.readouterr()
        assert command(name, *arguments) == 1
        said = capfd.readouterr().err
        assert said.count("\n") == 1 and said.startswith(f"audio-lottery {name}: error: "), said
        return said

    return call


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus") / "data"
    assert command("prepare", "digits", "--out", folder, *SMALL) == 0
    return folder


@pytest.fixture
def data(corpus, tmp_path) -> Path:
    """A copy of the training set with audio of its own."""
    folder = tmp_path / "data/train"
    shutil.copytree(corpus / "train", folder)
    lines = []
    for line in (folder / "wav.scp").read_text().splitlines():
        utterance, path = line.split(maxsplit=1)
        shutil.copy(path, folder / f"{utterance}.wav")
        lines.append(f"{utterance} {folder / utterance}.wav\n")
    (folder / "wav.scp").write_text("".join(lines))
    return folder


def audio(data: Path) -> Path:
    """The audio on line 3 of wav.scp."""
    return Path((data / "wav.scp").read_text().splitlines()[2].split(maxsplit=1)[1])


def tables(data: Path, name: str, change) -> None:
    lines = (data / name).read_bytes().splitlines(keepends=True)
    (data / name).write_bytes(b"".join(change(lines)))


def at_line_3(make):
    return lambda lines: [*lines[:2], make(lines[2]), *lines[3:]]


FAULTS = {
    "missing audio": (lambda data: audio(data).unlink(), "wav.scp:3: ", "no such audio file"),
    "empty audio": (lambda data: audio(data).write_bytes(b""), "wav.scp:3: ", "empty file (0 bytes)"),
    "unreadable audio": (lambda data: audio(data).write_bytes(b"no audio" * 99), "wav.scp:3: ", "unreadable audio"),
    "truncated audio": (lambda data: audio(data).write_bytes(audio(data).read_bytes()[:2000]), "wav.scp:3: ",
                        "truncated audio"),
    "no text": (lambda data: tables(data, "text", lambda lines: lines[1:]), "wav.scp:1: ", "text"),
    "no audio": (lambda data: tables(data, "wav.scp", lambda lines: lines[1:]), "text:1: ", "audio"),
    "twice": (lambda data: tables(data, "text", lambda lines: [*lines, lines[0]]), "text:9: ", "on line 1 too"),
    "not UTF-8": (lambda data: tables(data, "text", at_line_3(lambda line: line[:-1] + b" \xe9\n")), "text:3: ",
                  "not UTF-8"),
    "empty text": (lambda data: tables(data, "text", at_line_3(lambda line: line.split()[0] + b"\n")), "text:3: ",
                   "empty transcript"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_data_name_file_and_line(refused, data, tmp_path, fault):
    spoil, where, words = FAULTS[fault]
    spoil(data)
    before = {path: path.read_bytes() for path in data.iterdir()}
    for said in (refused("validate", data), refused("format", "--data", data, "--dump", tmp_path / "dump/train")):
        assert where in said and words in said
    assert {path: path.read_bytes() for path in data.iterdir()} == before
    assert not list((tmp_path / "dump").rglob("*"))


def test_audio_of_another_rate_is_resampled_with_a_note_or_refused(refused, data, tmp_path, capfd):
    samples, rate = soundfile.read(audio(data), dtype="int16")
    soundfile.write(audio(data), samples, 2 * rate)
    dump = tmp_path / "dump/train"
    assert f"wav.scp:3: {audio(data)}: {2 * rate} Hz" in \
        refused("format", "--data", data, "--dump", dump, "--fs", rate, "--resample", "false")
    assert not dump.exists()
    assert command("format", "--data", data, "--dump", dump, "--fs", rate) == 0
    assert f"audio resampled from {2 * rate} Hz to {rate} Hz" in capfd.readouterr().out


def test_no_space_left_while_preparing(refused, corpus, small_disk):
    out = small_disk(100) / "data"
    assert "No space left on device" in refused("prepare", "digits", "--out", out, *SMALL)
    assert not list(out.glob("*/wav.scp"))
    small_disk(65536, "remount")
    assert command("prepare", "digits", "--out", out, *SMALL) == 0
    for name in ("train", "dev", "test"):
        assert (out / name / "text").read_bytes() == (corpus / name / "text").read_bytes()


def test_no_space_left_while_formatting_and_listing_tokens(refused, data, tmp_path, small_disk):
    disk = small_disk(60)
    options = ["--data", data, "--dump", disk / "dump/train", "--fs", "16000"]
    for nj in (1, 2):
        assert "No space left on device" in refused("format", *options, "--nj", nj)
        assert not list((disk / "dump").iterdir())
    (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free))
    assert "No space left on device" in refused("tokens", "--text", data / "text", "--out", disk / "tokens")
    assert not list(disk.glob("tokens/*"))
    (disk / "filler").unlink()
    small_disk(65536, "remount")
    assert command("format", *options) == 0
    assert command("tokens", "--text", data / "text", "--out", disk / "tokens") == 0
