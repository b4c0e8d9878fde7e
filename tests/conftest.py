"""What tests share: where the repository and the corpora are, and whether sclite is there."""

import itertools
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import settings

# A shared machine stalls at times: a slow example is no failure, and pytest has its own time limit.
# In CI the examples are the same each time, so that a failure is the change's own; by hand they vary.
settings.register_profile("audio_lottery", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("audio_lottery")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repo_root() -> Path:
    """The repository's root folder."""
    return ROOT


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The folder of real corpora beside the repository; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared" / "corpora"
    if not folder.is_dir():
        pytest.skip(f"no corpora in {folder}")
    return folder


@pytest.fixture(scope="session")
def sclite() -> str:
    """The path of sclite; the test is skipped where it is not installed."""
    found = shutil.which("sclite") or shutil.which("sclite", path="/usr/lib/sctk/bin")
    if found is None:
        pytest.skip("sclite is not installed (Debian package sctk)")
    return found


@pytest.fixture
def stopping():
    """``(kind, method, call) ->`` a backend of a class that is interrupted at that call of one of its methods."""

    def make(kind: type, method: str, call: int):
        calls = itertools.count(1)

        def stop(self, *args):
            if next(calls) == call:
                raise KeyboardInterrupt
            return getattr(kind, method)(self, *args)

        return type("Stopping", (kind,), {method: stop})()

    return make


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a given size in kB that can be enlarged; needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("a small file system can only be mounted by root")

    def mount(size: int, *options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", ",".join([*options, f"size={size}k"]), "tmpfs", folder]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("this machine lets nobody mount a file system")
        return folder

    yield mount
    subprocess.run(["umount", "--lazy", folder], capture_output=True)
