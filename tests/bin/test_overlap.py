"""``audio-lottery overlap`` on masks made by hand."""

import csv
import json

import pytest
import torch

from audio_lottery import snapshot
from audio_lottery.bin import cli, overlap
from audio_lottery.mask import Mask


@pytest.fixture()
def search(tmp_path):
    """A search of two rounds, as far as this command looks at it."""
    folder = tmp_path / "exp"
    Mask({"a.weight": torch.tensor([[True, True], [True, False]])}).save(folder / "masks/round_01.safetensors")
    Mask({"a.weight": torch.tensor([[True, True], [False, False]])}).save(folder / "masks/round_02.safetensors")
    snapshot.save(folder / "theta0.safetensors", {"a.weight": torch.tensor([[1.0, 2.0], [3.0, 4.0]])}, {})
    (folder / "round_02").mkdir()
    (folder / "round_02/config.yaml").write_text("best_model_criterion: [[valid, loss, min]]\n")
    torch.save({"a.weight": torch.tensor([[-1.0, 2.0], [0.0, 0.0]])}, folder / "round_02/valid.loss.ave.pth")
    return folder


def test_rounds_of_a_search(search, capsys):
    assert cli.main(overlap, [str(search), f"{search}:1", "--signs", "false", "--json"]) == 0
    pair = json.loads(capsys.readouterr().out)["pairs"][0]
    assert (pair["all"]["jaccard"], pair["all"]["both"]) == (2 / 3, 2)
    assert pair["all"]["jaccard_by_chance"] == 1.5 / 3.5
    assert [row["name"] for row in pair["tensors"]] == ["a.weight"]


def test_printed(search, capsys):
    mask = search / "masks/round_01.safetensors"
    assert cli.main(overlap, [str(search), str(mask), "--tensors", "true"]) == 0
    out = capsys.readouterr().out
    assert "66.67% overlap" in out and "42.86% by chance" in out and "a.weight" in out


def test_signs(search, capsys):
    assert cli.main(overlap, [str(search), "--signs", "true"]) == 0
    assert "1 of 2 weights changed their sign (50.00%)" in capsys.readouterr().out


@pytest.mark.parametrize("tickets, said", [
    (["{exp}"], "one ticket has nothing to be compared with"),
    (["{exp}:3", "{exp}"], "no mask of round 3: rounds with one: 1, 2"),
    (["{exp}/nothing.safetensors", "{exp}"], "nothing.safetensors"),
    (["{exp}/round_02", "{exp}"], "no mask: rounds with one: none"),
])
def test_bad_input(search, capsys, tickets, said):
    assert cli.main(overlap, [ticket.format(exp=search) for ticket in tickets]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_signs_need_a_search(search, tmp_path, capsys):
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((search / "masks/round_01.safetensors").read_bytes())
    assert cli.main(overlap, [str(alone), "--signs", "true"]) == 1
    assert "no initial weights beside this mask" in capsys.readouterr().err


def test_files(search, tmp_path, capsys):
    files = tmp_path / "overlap.csv", tmp_path / "overlap.png"
    assert cli.main(overlap, [str(search), f"{search}:1", "--csv", str(files[0]), "--picture", str(files[1])]) == 0
    rows = list(csv.DictReader(files[0].open()))
    assert [(row["name"], row["both"]) for row in rows] == [("all", "2"), ("a.weight", "2")]
    assert files[1].read_bytes().startswith(b"\x89PNG")
    assert cli.main(overlap, [str(search), f"{search}:1", "--picture", str(tmp_path / "overlap.pdf")]) == 1
    assert "a picture is .png or .svg" in capsys.readouterr().err


def test_other_networks_share_what_they_have_in_common(search, tmp_path, capsys):
    other = tmp_path / "other.safetensors"
    Mask({"a.weight": torch.tensor([[True, False], [False, False]]),
          "b.weight": torch.tensor([[True, True], [True, True]])}).save(other)
    assert cli.main(overlap, [str(search), str(other)]) == 1
    assert "b.weight: only in one of the masks" in capsys.readouterr().err
    assert cli.main(overlap, [str(search), str(other), "--shared", "true"]) == 0
    out = capsys.readouterr().out
    assert "(1 shared tensors, 100.0%, 50.0% of their scopes)" in out and "50.00% overlap" in out
    Mask({"a.weight": torch.tensor([True])}).save(other)
    for shared, said in (("false", "[2, 2] in one mask, [1] in the"), ("true", "no tensor of one name and shape")):
        assert cli.main(overlap, [str(search), str(other), "--shared", shared]) == 1
        assert said in capsys.readouterr().err
