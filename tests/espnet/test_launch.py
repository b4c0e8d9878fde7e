"""Processes that a training is started as: none waits for a dead one, none outlives the search."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from audio_lottery.errors import LotteryError
from audio_lottery.espnet.launch import Launcher

ROOT = Path(__file__).resolve().parents[2]
# A rank: writes its process id, then does what it is told when it is rank 1; rank 0 waits for ever.
RANK = """
import os, signal, sys, time
from pathlib import Path
from audio_lottery.espnet import launch

launch.end_with_starter()
rank = sys.argv[sys.argv.index("--dist_rank") + 1]
Path(sys.argv[1], rank).write_text(str(os.getpid()))
while len(list(Path(sys.argv[1]).glob("[01]"))) < 2:
    time.sleep(0.01)
if rank == "1":
    exec(sys.argv[2])
time.sleep(600)
"""
SEARCH = """
import sys
from pathlib import Path
from audio_lottery.espnet.launch import Launcher
Launcher(num_nodes=2).run(sys.argv[2:], Path(sys.argv[1]), Path(sys.argv[1], "train.log"))
"""


def running(path: Path) -> bool:
    try:
        os.kill(int(path.read_text()), 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{path.read_text()}/status").read_text()


@pytest.mark.parametrize("does, said", [
    ("os.kill(os.getpid(), signal.SIGKILL)", "rank 1 of 2 was ended by SIGKILL, the others were stopped: start the"),
    ("print('audio-lottery train: error: x: y: z', file=sys.stderr); sys.exit(1)", "x: y: z"),
    ("sys.exit(3)", "train.log: the training of this round failed: see its end")])
def test_a_failed_process_ends_the_others(tmp_path, monkeypatch, does, said):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    began = time.monotonic()
    with pytest.raises(LotteryError) as error:
        Launcher(num_nodes=2).run([sys.executable, "-c", RANK, str(tmp_path), does], tmp_path, tmp_path / "train.log")
    assert said in str(error.value)
    assert time.monotonic() - began < 500  # rank 0 would sleep for longer
    assert not running(tmp_path / "0")
    assert not list(tmp_path.glob(".dist_init_*"))


MISSES = """
import sys, time
from audio_lottery.processes import end
rank = sys.argv[sys.argv.index("--dist_rank") + 1]
time.sleep(2 if rank == sys.argv[1] else 0)
cause = "train.log: ESPnet stopped (LibsndfileError: Error opening 'x.wav')"
lost = "train.log: ESPnet stopped (RuntimeError: [gloo/transport/tcp/pair.cc:538] Connection closed by peer [::1]:9)"
print("audio-lottery train: error:", cause if rank == sys.argv[1] else lost, file=sys.stderr)
end(1)
"""


@pytest.mark.parametrize("cause", ["0", "1", "2"])
def test_what_is_said_is_the_cause_and_not_that_others_miss_it(tmp_path, monkeypatch, cause):
    """Also when those are seen to end before it."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with pytest.raises(LotteryError, match="Error opening 'x.wav'"):
        Launcher(num_nodes=3).run([sys.executable, "-c", MISSES, cause], tmp_path, tmp_path / "train.log")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="a parent's death is told on Linux")
def test_processes_end_with_a_killed_search(tmp_path):
    search = subprocess.Popen(
        [sys.executable, "-c", SEARCH, tmp_path, sys.executable, "-c", RANK, tmp_path, "time.sleep(600)"],
        env={**os.environ, "PYTHONPATH": str(ROOT)})
    ranks = [tmp_path / "0", tmp_path / "1"]
    deadline = time.monotonic() + 300
    while not all(path.exists() and path.read_text() for path in ranks):
        assert search.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    search.send_signal(signal.SIGKILL)
    search.wait()
    while any(map(running, ranks)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
