"""The same preparation or decoding started twice at once: the second is refused, the first unharmed; and what a
killed one leaves running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audio_lottery.errors import LotteryError
from audio_lottery.lock import hold, locked

ROOT = Path(__file__).resolve().parents[2]


def commands(recipe, exp: Path, decode_config: Path, out: Path) -> dict[str, tuple[str, list]]:
    """Name -> the file before which the first waits, and the command."""
    data, dump = recipe.folder / "data", recipe.dump
    return {
        "prepare": ("*.wav", ["prepare", "digits", "--out", out, "--train_strings", 4, "--dev_strings", 2,
                              "--test_strings", 2]),
        "format": ("*.wav", ["format", "--data", data / "dev", "--dump", out / "dev", "--fs", 16000]),
        "mix_noise": ("*.wav", ["mix_noise", "--data", dump / "dev", "--out", out / "dev", "--noise", "white", "--snr",
                                5, "--part", "test"]),
        "tokens": ("*/tokens.txt", ["tokens", "--text", dump / "train/text", "--out", out]),
        "stats": ("*/text_shape.word", ["stats", *recipe.options(), "--out", out]),
        "decode": ("*/keys.1.scp", ["decode", exp, "--inference_config", decode_config, "--data", dump, "--sets", "dev",
                                    "--rounds", 0, "--tag", "twice", "--job", 1]),
    }


@pytest.mark.timeout(14400)
@pytest.mark.parametrize("name", ["prepare", "format", "mix_noise", "tokens", "stats", "decode"])
def test_the_second_is_refused_and_the_first_goes_on(recipe, exp, decode_config, gate, refused, tmp_path, name):
    pattern, words = commands(recipe, exp, decode_config, tmp_path / "out")[name]
    at = gate(pattern)
    first = subprocess.Popen([sys.executable, "-m", "audio_lottery.bin.main", *map(str, words)], env=at.environment,
                             cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    at.wait(first, lambda: first.stdout.read())
    assert " is running here: wait for it, or take another folder" in refused(*words)
    at.open()
    said, _ = first.communicate()
    assert first.returncode == 0, said
    again = subprocess.run([sys.executable, "-m", "audio_lottery.bin.main", *map(str, words)], cwd=tmp_path, text=True,
                           env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    assert again.returncode == 0 and (name == "tokens" or "already" in again.stdout or "up to date" in again.stdout)


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
def test_processes_of_a_killed_preparation_end_with_it(recipe, exp, decode_config, gate, tmp_path, name):
    pattern, words = commands(recipe, exp, decode_config, tmp_path / "out")[name]
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
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
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
