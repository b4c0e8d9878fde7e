"""The console command's dispatcher."""

import subprocess
import sys
from pathlib import Path

import pytest

from audio_lottery import __version__
from audio_lottery.bin import main as dispatcher


def test_help_lists_every_command(capsys):
    assert dispatcher.main(["--help"]) == 0
    printed = capsys.readouterr().out
    for name, text in dispatcher.COMMANDS.items():
        assert f"  {name:<26}{text}" in printed


def test_every_command_module_is_listed():
    folder = Path(dispatcher.__file__).parent
    modules = {file.stem for file in folder.glob("*.py") if "\ndef add_arguments(parser" in file.read_text()}
    assert modules - {"recipe_options"} == set(dispatcher.COMMANDS)


def test_no_command_shows_the_help_and_fails(capsys):
    assert dispatcher.main([]) == 1
    assert "usage: audio-lottery NAME" in capsys.readouterr().err


def test_version(capsys):
    assert dispatcher.main(["--version"]) == 0
    assert capsys.readouterr().out == f"audio-lottery {__version__}\n"


@pytest.mark.parametrize("name, hint", [("tabel", "did you mean 'table'?"), ("zzz", "no command 'zzz' (")])
def test_unknown_command(name, hint, capsys):
    assert dispatcher.main([name, "x"]) == 1
    printed = capsys.readouterr().err
    assert hint in printed and printed.count("\n") == 1


@pytest.mark.parametrize("name", dispatcher.COMMANDS)
def test_help_of_every_command(name):
    """Each help is shown without loading torch or ESPnet, so that it is shown at once."""
    script = (
        "import sys; from audio_lottery.bin.main import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print('heavy', sorted({'torch', 'espnet2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script, name, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: audio-lottery {name} ")
    assert done.stdout.endswith("heavy []\n")


# The other three's options are ESPnet's.
@pytest.mark.parametrize(
    "name", sorted(set(dispatcher.COMMANDS) - {"train", "asr_inference", "asr_transducer_inference"})
)
def test_unknown_option_is_one_line(name, capsys):
    with pytest.raises(SystemExit) as stopped:
        dispatcher.main([name, "--no_such_option"])
    assert stopped.value.code == 1
    printed = capsys.readouterr().err
    assert printed.startswith(f"audio-lottery {name}: error: ") and printed.count("\n") == 1
