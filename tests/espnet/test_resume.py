"""Killed at any moment and started again, a search ends as if it had never been killed."""

import shutil
from pathlib import Path

import pytest

from audio_lottery import snapshot
from audio_lottery.espnet.models import load_state
from audio_lottery.invariants import check
from audio_lottery.layout import Layout
from audio_lottery.mask import Mask


def kept(folder: Path) -> dict[str, dict[str, str]]:
    """Digests of every tensor of every mask, kept weight and model of a search; checkpoints but for times."""
    layout = Layout(folder)
    found = {str(path.relative_to(folder)): snapshot.digests(snapshot.load(path))
             for path in folder.glob("*.safetensors")}
    found |= {f"mask {number}": {"bits": Mask.load(layout.mask(number)).digest()} for number in layout.finished()[1:]}
    for path in folder.glob("round_*/*.pth"):
        state = load_state(path)
        if path.name == "checkpoint.pth":
            state = state["model"]
        found[str(path.relative_to(folder))] = snapshot.digests(state)
    return found


def test_kill_and_resume_give_the_same_search(recipe, exp, tmp_path, kill_when):
    """Invariant 5: kills in the dense training, in a pruned round, with a half-written checkpoint."""
    folder = tmp_path / "exp"
    kill_when(recipe.spawn(folder), lambda: (folder / "round_00/1epoch.pth").exists())
    kill_when(recipe.spawn(folder), lambda: (folder / "round_01/start.json").exists())
    kill_when(recipe.spawn(folder), lambda: (folder / "round_02/checkpoint.previous.pth").exists())
    previous, current = (folder / "round_02" / name for name in ("checkpoint.previous.pth", "checkpoint.pth"))
    if not previous.exists():  # it was renamed back as the round ended its epoch: take the whole one
        shutil.copy(current, previous)
    current.write_bytes(previous.read_bytes()[: previous.stat().st_size // 2])
    process = recipe.spawn(folder)
    output, _ = process.communicate(timeout=500)
    assert process.returncode == 0, output
    assert f"{current} is damaged" in output
    assert kept(folder) == kept(exp)
    assert [one for found in check(folder, load_state).values() for one in found] == []


@pytest.mark.parametrize("name", ["checkpoint.pth", "3epoch.pth", "latest.pth", "valid.loss.ave_2best.pth"])
def test_whatever_was_being_written_is_made_again(recipe, exp, tmp_path, name):
    """The last round as if killed while ``name`` was written: truncated, and not yet marked as done."""
    from audio_lottery.bin import cli, find

    folder = tmp_path / "exp"
    shutil.copytree(exp, folder, symlinks=True)
    path = folder / "round_02" / name
    if path.is_symlink():
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    (folder / "round_02/done.json").unlink()
    assert cli.main(find, recipe.search(folder)) == 0
    assert kept(folder) == kept(exp)


def test_a_search_in_use_is_refused(recipe, exp, capsys):
    from audio_lottery.bin import cli, find
    from audio_lottery.rounds import locked

    with locked(exp):
        assert cli.main(find, recipe.search(exp)) == 1
    assert "another search is running here" in capsys.readouterr().err
