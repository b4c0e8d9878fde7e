"""A copy of run.sh whose commands only show their arguments."""

import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUB = "#!/usr/bin/env bash\nprintf '%q ' \"$@\"; echo\n"


@pytest.fixture
def tree(tmp_path):
    """run.sh with its environment ready, data prepared, and a noise folder."""
    for name in ("run.sh", "path.sh", "cmd.sh"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "local").mkdir()
    shutil.copy(ROOT / "local/data.sh", tmp_path / "local")
    (tmp_path / "utils").mkdir()
    shutil.copy(ROOT / "utils/parse_options.sh", tmp_path / "utils")
    for name, content in (("utils/setup.sh", "#!/bin/sh\n"), (".venv/bin/audio-lottery", STUB)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755)
    for name in ("train", "dev", "test", "test_b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "wav.scp").touch()
    (tmp_path / "some noise").mkdir()
    return tmp_path
