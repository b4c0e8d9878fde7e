"""The prepare command as a user starts it, and the recipes' local/data.sh over it."""

import os
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "audio_lottery.bin.prepare"]
SMALL = ["--train_strings", "12", "--dev_strings", "2", "--test_strings", "3"]


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder for PATH with an audio-lottery that runs this source tree, installed or not."""
    folder = tmp_path_factory.mktemp("bin")
    program = folder / "audio-lottery"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m audio_lottery.bin.main "$@"\n')
    program.chmod(0o755)
    return folder


def start(command, folder, repo_root, programs=""):
    path = os.pathsep.join((str(programs), os.environ["PATH"]))
    env = {**os.environ, "PYTHONPATH": str(repo_root), "PATH": path}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def test_digits_are_prepared_once(tmp_path, repo_root):
    pytest.importorskip("espeakng_loader", reason="espeakng-loader is not installed")
    first = start([*COMMAND, "digits", *SMALL], tmp_path, repo_root)
    assert first.returncode == 0, first.stderr
    assert "data/train: 12 utterances" in first.stdout
    again = start([*COMMAND, "digits", *SMALL], tmp_path, repo_root)
    assert again.stdout == "digits: already prepared in data\n"


def test_the_default_recipes_data_sh(tmp_path, repo_root, programs):
    pytest.importorskip("espeakng_loader", reason="espeakng-loader is not installed")
    done = start([repo_root / "local/data.sh", *SMALL], tmp_path, repo_root, programs)
    assert done.returncode == 0, done.stderr
    assert "data/test: 3 utterances" in done.stdout
    assert (tmp_path / "data/dev/spk2utt").is_file()


def test_the_fsdd_recipes_data_sh(tmp_path, repo_root, corpora, programs):
    script = repo_root / "egs2/fsdd/asr1/local/data.sh"
    root = ["--fsdd_root", corpora / "fsdd"]
    done = start([script, *root, "--fold", "1", "--passes", "1"], tmp_path, repo_root, programs)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data/test/spk2utt").read_text().startswith("george ")
    assert (tmp_path / "data/dev/spk2utt").read_text().startswith("yweweler ")
    done = start([script, *root, "--protocol", "official"], tmp_path, repo_root, programs)
    assert done.returncode == 0, done.stderr
    assert "data/test: 60 utterances, 300 words, 6 speakers" in done.stdout


def test_killed_and_started_again_it_gives_the_same_corpus(tmp_path, repo_root, gate):
    pytest.importorskip("espeakng_loader", reason="espeakng-loader is not installed")
    command = [*COMMAND, "digits", *SMALL]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    whole.mkdir()
    killed.mkdir()
    assert start(command, whole, repo_root).returncode == 0
    fifth = gate("*.wav", 5)
    process = subprocess.Popen(command, cwd=killed, env=fifth.environment)
    fifth.wait(process)
    process.kill()
    process.wait()
    assert list(killed.rglob("*.wav")) and not list(killed.rglob("wav.scp"))
    again = start(command, killed, repo_root)
    assert again.returncode == 0 and "already" not in again.stdout
    files = [
        {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file() and p.suffix != ".done"}
        for root in (whole, killed)
    ]
    assert files[1] == files[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "CORPUS"),
        (["klingon"], "klingon"),
        (["digits", "--no_such_option", "1"], "--no_such_option"),
        (["fsdd", "--fsdd_root", "/nowhere"], "/nowhere: no such folder"),
        (["fsdd", "--protocol", "mine"], "mine"),
    ],
)
def test_bad_input_is_one_line_and_status_1(tmp_path, repo_root, arguments, message):
    done = start([*COMMAND, *arguments], tmp_path, repo_root)
    assert done.returncode == 1 and done.stdout == ""
    assert message in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [["--train_strings", "0"], ["--fs", "10"], ["--snr", "nan"]])
def test_digits_values_out_of_range(tmp_path, repo_root, value):
    done = start([*COMMAND, "digits", *value], tmp_path, repo_root)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and value[0] in done.stderr
    assert list(tmp_path.iterdir()) == []
