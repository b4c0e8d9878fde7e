"""The same preparation or decoding started twice at once: the second is refused, the first unharmed; and what a
killed one leaves running."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audio_lottery.data.digits import prepare
from audio_lottery.data.format import Options, format_data
from audio_lottery.errors import LotteryError
from audio_lottery.lock import hold, locked

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """A small one: data/dev and dump/dev."""
    folder = tmp_path_factory.mktemp("corpus")
    digits = argparse.Namespace(out=folder / "data", wav_dir=None, train_strings=4, dev_strings=2, test_strings=2,
                                fs=8000, snr=20.0, seed=0)
    prepare(digits)
    format_data(folder / "data/dev", folder / "dump/dev", Options())
    return folder


def preparations(corpus: Path, out: Path) -> dict[str, tuple[str, list]]:
    """Name -> the file before which the first waits, and the command."""
    return {
        "prepare": ("*.wav", ["prepare", "digits", "--out", out / "dev", "--train_strings", 4, "--dev_strings", 2,
                              "--test_strings", 2]),
        "format": ("*.wav", ["format", "--data", corpus / "data/dev", "--dump", out / "dev", "--fs", 16000]),
        "mix_noise": ("*.wav", ["mix_noise", "--data", corpus / "dump/dev", "--out", out / "dev", "--noise", "white",
                                "--snr", 5, "--part", "test"]),
        "tokens": ("*/tokens.txt", ["tokens", "--text", corpus / "dump/dev/text", "--out", out / "dev"]),
    }


def run(words: list, folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "audio_lottery.bin.main", *map(str, words)], cwd=folder, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)


def twice(at, words: list, folder: Path) -> str:
    """Start a command, again while it waits at the gate, and again when it has ended; what was said then."""
    first = subprocess.Popen([sys.executable, "-m", "audio_lottery.bin.main", *map(str, words)], env=at.environment,
                             cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    at.wait(first, lambda: first.stdout.read())
    second = run(words, folder)
    said = [line for line in second.stderr.splitlines() if line.startswith("audio-lottery ")]
    assert second.returncode == 1 and len(said) == 1 and "Traceback" not in second.stderr, second.stderr
    assert " is running here: wait for it, or take another folder" in said[0]
    at.open()
    said, _ = first.communicate()
    assert first.returncode == 0, said
    again = run(words, folder)
    assert again.returncode == 0, again.stderr
    return again.stdout


@pytest.mark.timeout(14400)
@pytest.mark.parametrize("name", ["prepare", "format", "mix_noise", "tokens"])
def test_the_second_preparation_is_refused_and_the_first_goes_on(corpus, gate, tmp_path, name):
    pattern, words = preparations(corpus, tmp_path / "out")[name]
    said = twice(gate(pattern), words, tmp_path)
    assert name == "tokens" or "already" in said
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dev"]  # the lock is gone


@pytest.mark.timeout(14400)
def test_the_second_collection_of_statistics_is_refused(recipe, gate, tmp_path):
    said = twice(gate("*/text_shape.word"), ["stats", *recipe.options(), "--out", tmp_path / "stats"], tmp_path)
    assert "up to date" in said


@pytest.mark.timeout(14400)
def test_the_second_decoding_is_refused(recipe, exp, decode_config, gate, tmp_path):
    shutil.copytree(exp, tmp_path / "exp", symlinks=True)
    words = ["decode", "exp", "--inference_config", decode_config, "--data", recipe.dump, "--sets", "dev", "--rounds",
             0, "--job", 1]
    assert "up to date" in twice(gate("*/keys.1.scp"), words, tmp_path)
    assert run([*words[:-2], "--merge"], tmp_path).returncode == 0


def with_environment(text: str) -> list[Path]:
    """Processes, that run, in whose environment a text stands."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if text.encode() in (path / "environ").read_bytes() and "\nState:\tZ" not in (path / "status").read_text():
                found.append(path)
        except OSError:
            pass
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in Linux's /proc")
@pytest.mark.parametrize("name", ["format", "mix_noise"])
def test_processes_of_a_killed_preparation_end_with_it(corpus, gate, tmp_path, name):
    pattern, words = preparations(corpus, tmp_path / "out")[name]
    at = gate(pattern)
    command = [sys.executable, "-m", "audio_lottery.bin.main", *map(str, words), "--nj", "2"]
    first = subprocess.Popen(command, env=at.environment, cwd=tmp_path)
    at.wait(first)
    first.kill()
    first.wait()
    deadline = time.monotonic() + 3600
    while left := with_environment(str(at.reached.parent)):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)
    assert not (tmp_path / "out/dev/wav.scp").exists()
    done = run([*words, "--nj", "2"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["dev"]  # nothing of the killed one is left


FORKS = """
import os, sys, time
from pathlib import Path
from audio_lottery.lock import locked

with locked(Path(sys.argv[1])):
    child = os.fork()
    if child:
        print(child, flush=True)
    time.sleep(600)
"""


def test_a_killed_search_holds_nothing_by_processes_that_it_forked(tmp_path):
    """Those of a DataLoader look only every five seconds whether their parent lives."""
    first = subprocess.Popen([sys.executable, "-c", FORKS, tmp_path / "exp"], stdout=subprocess.PIPE, text=True,
                             env={**os.environ, "PYTHONPATH": str(ROOT)})
    child = int(first.stdout.readline())
    try:
        with pytest.raises(LotteryError, match="another search is running here"), locked(tmp_path / "exp"):
            pass
        first.kill()
        first.wait()
        with locked(tmp_path / "exp"):
            os.kill(child, 0)  # it still runs
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_lock_file_that_was_removed_holds_nobody_off(tmp_path):
    """Its holder removes it: who opened it before must not take it for the lock of those who come after."""
    with locked(tmp_path / "x", beside=True):
        assert hold(tmp_path / ".x.lock") is None
    assert not list(tmp_path.iterdir())
    first = hold(tmp_path / "lock")
    (tmp_path / "lock").unlink()
    second = hold(tmp_path / "lock")
    assert second is not None and hold(tmp_path / "lock") is None
    first.close()
    second.close()
    assert hold(tmp_path / "lock") is not None
