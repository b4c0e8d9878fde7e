"""One of two ranks is killed in the middle of a training, then the search itself, while its ranks train."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

# Ten processes import ESPnet: two minutes on an idle machine.
pytestmark = [pytest.mark.timeout(14400), pytest.mark.skipif(not Path("/proc/self/cmdline").exists(),
                                                            reason="ranks are found in Linux's /proc")]
ROOT = Path(__file__).resolve().parents[2]


def spawn(recipe, exp: Path, log: Path, env: dict[str, str] | None = None) -> subprocess.Popen:
    command = [sys.executable, "-m", "audio_lottery.bin.find", *recipe.search(exp), "--num_nodes", "2",
               "--lottery_args", "--rounds 1 --rate 0.4"]
    with open(log, "w") as stream:
        return subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=subprocess.STDOUT,
                                env=env or {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"})


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


def test_a_killed_rank_stops_the_search_which_then_goes_on(recipe, gate, same_search, tmp_path):
    whole, log = tmp_path / "whole", tmp_path / "log"
    undisturbed = spawn(recipe, whole, log)
    assert undisturbed.wait(timeout=7200) == 0, log.read_text()

    exp = tmp_path / "killed"
    second = gate("*/round_00/checkpoint.previous.pth")  # the second epoch begins: rank 0 waits here, rank 1 for rank 0
    search = spawn(recipe, exp, log, second.environment)
    second.wait(search, log.read_text)
    os.kill(ranks_of(exp)["1"], signal.SIGKILL)
    second.open()
    assert search.wait(timeout=7200) == 1  # rank 0 doesn't wait for the dead one: gloo would for half an hour
    said = log.read_text().splitlines()[-1]
    assert said == (f"audio-lottery find: error: {exp}/round_00/train.log: rank 1 of 2 was ended by SIGKILL, the "
                    "others were stopped: start the search again to continue from the last whole epoch")
    assert not ranks_of(exp)

    second = gate("*/round_01/checkpoint.previous.pth")
    search = spawn(recipe, exp, log, second.environment)
    second.wait(search, log.read_text)
    ranks = ranks_of(exp)
    assert set(ranks) == {"0", "1"}
    search.kill()
    search.wait()
    deadline = time.monotonic() + 3600
    while ranks_of(exp):  # they end with the search: the next one must not meet them
        assert time.monotonic() < deadline, ranks
        time.sleep(0.05)

    search = spawn(recipe, exp, log)
    assert search.wait(timeout=7200) == 0, log.read_text()
    same_search(whole, exp)
