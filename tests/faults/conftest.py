"""Processes that are really killed, and the tiny recipe of tests/espnet."""

import importlib.util
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
# All moments on ESPnet's searches too, and more mutations: export AUDIO_LOTTERY_FAULTS=full
FULL = os.environ.get("AUDIO_LOTTERY_FAULTS") == "full"
KILLS = 50


def _load(path: Path):
    spec = importlib.util.spec_from_file_location(f"of_{path.parent.name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_espnet = _load(HERE.parent / "espnet/conftest.py")
recipe, exp, decode_config = _espnet.recipe, _espnet.exp, _espnet.decode_config
same_search, refused = _espnet.same_search, _espnet.refused


class ForkServer:
    """fork_server.py with what its jobs need imported."""

    def __init__(self, *kinds: str):
        env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen([sys.executable, HERE / "fork_server.py", *kinds], env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def run(self, job: str, *arguments: object, log: Path, kill: tuple[int, float] | None = None) -> dict:
        """Run a job; ``kill``: event number and seconds after it. Its status, negative when it was killed."""
        request = {"job": job, "arguments": arguments, "log": str(log), "kill": kill}
        self.process.stdin.write(json.dumps(request, default=str) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the fork server ended"
        return json.loads(line)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=60)


def _server(*kinds: str):
    server = ForkServer(*kinds)
    yield server
    server.close()


@pytest.fixture(scope="session")
def plain_server():
    """For searches in plain torch."""
    yield from _server("plain")


@pytest.fixture(scope="session")
def espnet_server():
    """For ESPnet's."""
    yield from _server("espnet")


@pytest.fixture(scope="session")
def full() -> bool:
    """Whether everything is asked for, however long it takes."""
    return FULL


@pytest.fixture(scope="session")
def kill_and_resume() -> Callable:
    """``(start, events, kills, seed, delay) ->`` numbers of kills of each search that was begun.

    Searches are killed at random moments, each time resumed, until ``kills`` have been killed in all; the last
    one ends by itself. start: ``(number of the search, kill or None) ->`` the job's answer; events: of an
    undisturbed one; delay: at most so many seconds pass from an event to the kill.
    """

    def run(start: Callable, events: int, kills: int, seed: int, delay: float) -> list[int]:
        rng, counts = random.Random(seed), [0]
        while True:
            left = kills - sum(counts)
            # A third of a search at most, so that each is killed several times on its way.
            kill = (rng.randint(1, max(2, events // 3)), rng.uniform(0, delay)) if left else None
            answer = start(len(counts) - 1, kill)
            if answer["status"] == -9:
                counts[-1] += 1
                continue
            assert answer["status"] == 0, answer
            if not left:
                return counts
            counts.append(0)

    return run
