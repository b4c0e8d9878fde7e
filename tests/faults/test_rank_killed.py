"""One of two ranks is killed in the middle of a training, then the search itself, while its ranks train."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

# Ten processes import ESPnet: two minutes on an idle machine.
pytestmark = [pytest.mark.timeout(3600), pytest.mark.skipif(not Path("/proc/self/cmdline").exists(),
                                                            reason="ranks are found in Linux's /proc")]
ROOT = Path(__file__).resolve().parents[2]


def spawn(recipe, exp: Path, log: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "audio_lottery.bin.find", *recipe.search(exp), "--num_nodes", "2",
               "--lottery_args", "--rounds 1 --rate 0.4"]
    with open(log, "w") as stream:
        return subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT,
                                env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})


def ranks_of(exp: Path) -> dict[str, int]:
    """Rank -> process, of the training that writes below a folder."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "--dist_rank" in words and any(word.startswith(f"{exp}/round_") for word in words):
            found[words[words.index("--dist_rank") + 1]] = int(path.parent.name)
    return found


def wait_for(condition: Callable[[], bool], process: subprocess.Popen, log: Path, seconds: float = 1200) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.01)


def test_a_killed_rank_stops_the_search_which_then_goes_on(recipe, same_search, tmp_path):
    whole, log = tmp_path / "whole", tmp_path / "log"
    undisturbed = spawn(recipe, whole, log)
    assert undisturbed.wait(timeout=1200) == 0, log.read_text()

    exp = tmp_path / "killed"
    search = spawn(recipe, exp, log)
    wait_for(lambda: (exp / "round_00/1epoch.pth").exists(), search, log)
    os.kill(ranks_of(exp)["1"], signal.SIGKILL)
    assert search.wait(timeout=120) == 1  # no rank waits for the dead one
    said = log.read_text().splitlines()[-1]
    assert said == (f"audio-lottery find: error: {exp}/round_00/train.log: rank 1 of 2 was ended by SIGKILL, the "
                    "others were stopped: start the search again to continue from the last whole epoch")
    assert not ranks_of(exp)

    search = spawn(recipe, exp, log)
    wait_for(lambda: (exp / "round_01/1epoch.pth").exists(), search, log)
    ranks = ranks_of(exp)
    search.kill()
    search.wait()
    deadline = time.monotonic() + 60
    while ranks_of(exp):  # they end with the search: the next one must not meet them
        assert time.monotonic() < deadline, ranks
        time.sleep(0.05)

    search = spawn(recipe, exp, log)
    assert search.wait(timeout=1200) == 0, log.read_text()
    same_search(whole, exp)
