"""A round's folder is put back into the state of its last whole epoch."""

import os
from pathlib import Path

import pytest
import torch
from espnet2.train.reporter import Reporter

from audio_lottery.espnet import checkpoints

CRITERIA = [("valid", "loss", "min")]
LOSSES = {1: 3.0, 2: 1.0, 3: 2.0}


def epochs(folder: Path, last: int) -> None:
    """What ESPnet leaves after ``last`` epochs, the earlier checkpoint set aside as the trainer does."""
    reporter = Reporter()
    for epoch in range(1, last + 1):
        reporter.set_epoch(epoch)
        with reporter.observe("valid") as observed:
            observed.register({"loss": LOSSES[epoch]})
            observed.next()
        checkpoints.protect(folder)
        model = {"w": torch.full((300,), float(epoch))}
        torch.save({"model": model, "reporter": reporter.state_dict()}, folder / "checkpoint.pth")
        torch.save(model, folder / f"{epoch}epoch.pth")


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def test_whole_files_are_left_alone(tmp_path):
    epochs(tmp_path, 3)
    before = (tmp_path / "checkpoint.pth").read_bytes()
    assert checkpoints.recover(tmp_path, CRITERIA) == 3
    assert (tmp_path / "checkpoint.pth").read_bytes() == before
    assert os.readlink(tmp_path / "latest.pth") == "3epoch.pth"
    assert os.readlink(tmp_path / "valid.loss.best.pth") == "2epoch.pth"


def test_truncated_checkpoint_falls_back_and_says_so(tmp_path, caplog):
    epochs(tmp_path, 3)
    truncate(tmp_path / "checkpoint.pth")
    assert checkpoints.recover(tmp_path, CRITERIA) == 2
    assert "checkpoint.pth is damaged" in caplog.text
    assert not (tmp_path / "3epoch.pth").exists()
    assert os.readlink(tmp_path / "latest.pth") == "2epoch.pth"


@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_a_flipped_byte_is_damage(tmp_path, where):
    epochs(tmp_path, 2)
    data = bytearray((tmp_path / "checkpoint.pth").read_bytes())
    # Inside the tensor's bytes: torch.load itself would take them for good.
    start = data.index(torch.full((300,), 2.0).numpy().tobytes())
    data[start + int(1200 * where)] ^= 1
    (tmp_path / "checkpoint.pth").write_bytes(data)
    assert not checkpoints.is_whole(tmp_path / "checkpoint.pth")
    assert checkpoints.recover(tmp_path, CRITERIA) == 1


def test_killed_between_rename_and_write(tmp_path):
    epochs(tmp_path, 2)
    checkpoints.protect(tmp_path)
    assert not (tmp_path / "checkpoint.pth").exists()
    assert checkpoints.recover(tmp_path, CRITERIA) == 2


def test_killed_between_checkpoint_and_model_file(tmp_path):
    epochs(tmp_path, 2)
    truncate(tmp_path / "2epoch.pth")
    assert checkpoints.recover(tmp_path, CRITERIA) == 2
    assert torch.equal(torch.load(tmp_path / "2epoch.pth", weights_only=True)["w"], torch.full((300,), 2.0))


def test_nothing_whole_starts_afresh(tmp_path):
    epochs(tmp_path, 2)
    truncate(tmp_path / "checkpoint.pth")
    truncate(tmp_path / "checkpoint.previous.pth")
    assert checkpoints.recover(tmp_path, CRITERIA) == 0
    assert list(tmp_path.glob("*.pth")) == []


def test_a_lost_best_model_starts_afresh(tmp_path, caplog):
    epochs(tmp_path, 3)
    (tmp_path / "2epoch.pth").unlink()
    assert checkpoints.recover(tmp_path, CRITERIA) == 0
    assert "trained again from its start" in caplog.text
