"""Building, and doing without."""

import pytest

from audio_lottery.engine import LIBRARY, backend, build, native, reference


@pytest.mark.parametrize("command, words", [("/no/such/compiler", "No such file"), ("false", "no message")])
def test_a_compiler_that_fails(command, words, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", command)
    with pytest.raises(build.BuildError, match=words):
        build.build(tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_compiler(tmp_path, monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(build.BuildError, match="no C"):
        build.build(tmp_path)


def test_what_is_built_is_not_built_again(engine, monkeypatch):
    monkeypatch.setenv("CXX", "false")
    assert build.build().name == LIBRARY


def test_numpy_steps_in_and_says_so_once(monkeypatch, capsys):
    monkeypatch.delenv("AUDIO_LOTTERY_ISA", raising=False)
    monkeypatch.setattr(native, "LIBRARY", "missing.so")
    native.library.cache_clear()
    backend._compiled.cache_clear()
    try:
        assert isinstance(backend.new_program(), reference.Program)
        assert isinstance(backend.new_program(), reference.Program) and backend.name() == "numpy"
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and "missing.so: not built" in err and "numpy" in err
    finally:
        native.library.cache_clear()
        backend._compiled.cache_clear()
