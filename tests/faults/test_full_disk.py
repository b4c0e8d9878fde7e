"""A disk that is full, really: at the initial weights, at checkpoints, at a mask, at hypotheses."""

import shutil

import pytest
import torch

from audio_lottery.bin import cli


# theta0; a checkpoint of round 0; one of round 1; what is written after the last epoch of round 2.
@pytest.mark.parametrize("size", [60, 150, 700, 1390])
def test_no_space_left_while_training(refused, recipe, exp, small_disk, size, same_search):
    folder = small_disk(size) / "exp"
    assert "No space left on device: free some, then start again" in refused("find", *recipe.search(folder))
    small_disk(65536, "remount")
    from audio_lottery.bin import find

    assert cli.main(find, recipe.search(folder)) == 0
    same_search(exp, folder)


def test_no_space_left_in_a_process_of_its_own(refused, recipe, small_disk):
    folder = small_disk(400) / "exp"
    assert "No space left on device" in refused("find", *recipe.search(folder, "--separate_rounds", "true"))


def test_no_space_left_for_a_mask_and_for_hypotheses(refused, recipe, exp, decode_config, small_disk):
    disk = small_disk(4)
    (disk / "full").write_bytes(bytes(4096))
    assert "No space left on device" in refused("prune", exp / "round_00", "--out", disk / "mask.safetensors")
    assert [path.name for path in disk.iterdir()] == ["full"]
    small_disk(65536, "remount")
    shutil.copytree(exp, disk / "exp", symlinks=True)
    with open(disk / "filler", "wb", buffering=0) as stream:
        small_disk(2048, "remount")
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            pass
    command = ["decode", disk / "exp", "--inference_config", decode_config, "--data", recipe.dump, "--sets", "test"]
    assert "No space left on device" in refused(*command)
    (disk / "filler").unlink()
    assert "has not finished" in refused(*command, "--merge")


def test_what_torch_says_of_a_full_disk_is_known(small_disk):
    from audio_lottery.fileio import no_space

    with pytest.raises((RuntimeError, OSError)) as caught:
        torch.save(torch.zeros(100000), small_disk(40) / "x.pth")
    assert no_space(caught.value)
    assert not no_space(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
