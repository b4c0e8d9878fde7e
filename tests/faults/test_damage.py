"""Files of a search truncated or with a bit flipped: said in one line, never used as if they were whole."""

import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest

from audio_lottery.bin import cli, find
from audio_lottery.layout import Layout


def flip(path: Path, seed: int = 0) -> None:
    """One bit of a tensor: between a file's records there is padding, where a bit more or less means nothing."""
    data = bytearray(path.read_bytes())
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            largest = max(archive.infolist(), key=lambda info: info.file_size)
        head = largest.header_offset  # 30 bytes, a name and a supplement of the lengths that stand in bytes 26 and 28
        start = head + 30 + sum(int.from_bytes(data[head + at:head + at + 2], "little") for at in (26, 28))
        stop = start + largest.file_size
    else:  # safetensors: the header's length, the header, the tensors
        start, stop = 8 + int.from_bytes(data[:8], "little"), len(data)
    data[int(np.random.default_rng(seed).integers(start, stop))] ^= 1 << seed % 8
    path.write_bytes(data)


def reopened(exp: Path, folder: Path, number: int) -> Path:
    """A copy of a search whose last round, ``number``, is about to be gone on with; its folder."""
    shutil.copytree(exp, folder, symlinks=True)
    layout = Layout(folder)
    for later in range(number + 1, 3):
        shutil.rmtree(layout.round(later))
        layout.mask(later).unlink()
    rows = layout.ledger.read_text().splitlines(keepends=True)
    layout.ledger.write_text("".join(rows[:number]))
    layout.done(number).unlink()
    return layout.round(number)


def cut(path: Path, seed: int = 0) -> None:
    """A third of the file, as if killed while it was written; a link is gone."""
    if path.is_symlink():
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


@pytest.mark.parametrize("name, spoil, said", [
    ("checkpoint.pth", flip, "checkpoint.pth is damaged"),
    ("checkpoint.pth", cut, "checkpoint.pth is damaged"),
    ("2epoch.pth", flip, "2epoch.pth is damaged or gone: this round is trained again"),
    ("3epoch.pth", flip, ""),  # the checkpoint has its model
    ("3epoch.pth", cut, ""),
    ("latest.pth", cut, ""),
    ("valid.loss.ave_2best.pth", flip, ""),  # made anew
    ("valid.loss.ave_2best.pth", cut, ""),
])
def test_in_a_round_that_goes_on(recipe, exp, tmp_path, capfd, same_search, name, spoil, said):
    folder = reopened(exp, tmp_path / "exp", 2)
    spoil(folder / name)
    assert cli.main(find, recipe.search(tmp_path / "exp")) == 0
    assert said in capfd.readouterr().err
    same_search(exp, tmp_path / "exp")


@pytest.mark.parametrize("path", ["theta0.safetensors", "masks/round_01.safetensors", "round_01/3epoch.pth"])
@pytest.mark.parametrize("seed", [0, 7])
def test_a_flipped_bit_in_what_the_next_round_is_made_from(recipe, exp, tmp_path, capfd, path, seed):
    """The mask of round 2 is of the mask and the weights of round 1, its start of theta0."""
    shutil.rmtree(reopened(exp, tmp_path / "exp", 2))
    (tmp_path / "exp/masks/round_02.safetensors").unlink()
    flip((tmp_path / "exp" / path).resolve(), seed)
    assert cli.main(find, recipe.search(tmp_path / "exp")) == 1
    said = capfd.readouterr().err.splitlines()
    assert len(said) == 1 and "damaged" in said[0] and Path(path).stem in said[0].replace("latest", "3epoch"), said


def test_the_epoch_before_is_gone_on_from(recipe, exp, gate, tmp_path, same_search):
    """A real kill after the second epoch, then a bit flipped in its checkpoint: that of the first serves."""
    folder = tmp_path / "exp"
    third = gate("*/round_01/checkpoint.previous.pth", 2)  # the third epoch begins
    process = recipe.spawn(folder, env=third.environment)
    third.wait(process, lambda: process.stdout.read())
    process.kill()
    process.communicate()
    assert (folder / "round_01/checkpoint.previous.pth").exists()
    flip(folder / "round_01/checkpoint.pth")
    done = subprocess.run(process.args, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "checkpoint.pth is damaged" in done.stderr
    same_search(exp, folder)
