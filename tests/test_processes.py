"""How processes end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ABORTS = """
import atexit, sys
from audio_lottery.processes import end

class Thread:  # stands for one of gloo's, which aborts the process that takes itself apart
    def __del__(self):
        import os
        os.abort()

kept = Thread()
atexit.register(print, "at exit")
print("said")
end(int(sys.argv[1]))
"""


@pytest.mark.parametrize("status", [0, 3])
def test_an_ended_process_has_its_status_and_all_that_it_said(status):
    done = subprocess.run([sys.executable, "-c", ABORTS, str(status)], env={**os.environ, "PYTHONPATH": str(ROOT)},
                          stdout=subprocess.PIPE, text=True)
    assert (done.returncode, done.stdout) == (status, "said\nat exit\n")
