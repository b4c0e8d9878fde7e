"""The engine is built once; without a compiler its tests are skipped, and say so."""

import pytest

from audio_lottery.engine import build


@pytest.fixture(scope="session")
def engine():
    try:
        build.build()
    except build.BuildError as error:
        pytest.skip(f"the engine cannot be built here: {error}")


@pytest.fixture(params=["plain", "avx2", "avx512", "vnni"])
def isa(request, engine, monkeypatch):
    """Each instruction set that this processor runs."""
    from audio_lottery.engine import native

    monkeypatch.setenv("AUDIO_LOTTERY_ISA", request.param)
    if native.library().al_isa().decode() != request.param:
        pytest.skip(f"this processor has no {request.param}")
    return request.param


@pytest.fixture(params=["numpy", "plain", "avx2", "avx512", "vnni"])
def backend(request, engine, monkeypatch):
    """Each instruction set that this processor runs, and the numpy twin."""
    from audio_lottery.engine import native

    monkeypatch.setenv("AUDIO_LOTTERY_ISA", request.param)
    if request.param != "numpy" and native.library().al_isa().decode() != request.param:
        pytest.skip(f"this processor has no {request.param}")
    return request.param
