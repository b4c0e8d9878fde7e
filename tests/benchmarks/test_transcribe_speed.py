"""What is counted is the command's own."""

import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def speed(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import transcribe_speed

    return transcribe_speed


def test_memory_is_that_of_the_command(speed):
    ours = np.ones(300 << 17)  # 300 MB that a command has nothing to do with
    seconds, small = speed.run([sys.executable, "-c", "print('said')"], 1)
    _, large = speed.run([sys.executable, "-c", "x = bytearray(b'a' * (100 << 20))"], 1)
    assert len(ours) and seconds > 0 and small < 60 and small + 90 < large < small + 250


def test_threads_and_failures(speed):
    speed.run([sys.executable, "-c", "import os; assert os.environ['OMP_NUM_THREADS'] == '3'"], 3)
    with pytest.raises(SystemExit, match="status 5.*gone wrong"):
        speed.run([sys.executable, "-c", "import sys; print('gone wrong', file=sys.stderr); sys.exit(5)"], 1)


def test_files_of_folders_evenly(speed, tmp_path):
    for n in range(10):
        (tmp_path / f"{n}.wav").touch()
    (tmp_path / "notes.txt").touch()
    assert [path.stem for path in speed.files([tmp_path], 4)] == ["0", "2", "5", "7"]
    assert len(speed.files([tmp_path], 50)) == 10 and speed.files([tmp_path / "3.wav"], 2) == [tmp_path / "3.wav"]
    with pytest.raises(SystemExit, match="no audio"):
        speed.files([tmp_path / "notes.txt"], 1)
