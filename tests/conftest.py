"""What tests share: where the repository and the corpora are, and whether sclite is there."""

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# A shared machine stalls at times: a slow example is no failure, and pytest has its own time limit.
settings.register_profile("audio_lottery", deadline=None)
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
