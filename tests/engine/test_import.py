"""The engine starts without what is slow to import; how long it takes: benchmarks/import_time.py."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "espnet", "espnet2", "onnx", "onnxruntime", "scipy", "librosa", "soundfile", "matplotlib", "kenlm"}


@pytest.mark.parametrize("module", ["audio_lottery.engine", "audio_lottery.engine.recogniser",
                                    "audio_lottery.bin.transcribe"])  # fmt: skip
def test_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted({HEAVY!r} & {{name.partition('.')[0] for name in sys.modules}}))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).split() == []
