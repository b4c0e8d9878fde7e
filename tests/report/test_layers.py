"""Densities by layer and round, counted by hand, and the command's files."""

import csv
import json

import pytest
import torch

from audio_lottery import snapshot
from audio_lottery.bin import cli, layers
from audio_lottery.layout import Layout
from audio_lottery.mask import Mask
from audio_lottery.report.layers import read_layers
from audio_lottery.report.matrix import short


@pytest.fixture()
def search(tmp_path):
    layout = Layout(tmp_path / "exp")
    for number, (first, second) in enumerate([([1, 1, 1, 0], [1, 1]), ([1, 0, 0, 0], [0, 0])], 1):
        mask = {"encoder.encoders.0.a.weight": torch.tensor(first, dtype=torch.bool).reshape(2, 2),
                "encoder.encoders.0.b.weight": torch.tensor(second, dtype=torch.bool).reshape(1, 2)}
        Mask(mask).save(layout.mask(number))
        layout.done(number).parent.mkdir()
        layout.done(number).write_text("{}")
    theta0 = {name: torch.ones(value.shape) for name, value in mask.items()}
    snapshot.save(layout.theta0, theta0, {})
    return layout


def test_modules_and_tensors(search):
    modules, tensors = read_layers(search), read_layers(search, "tensor")
    assert modules.names == ["encoder.encoders.0"] and modules.density.tolist() == [[5 / 6, 1 / 6]]
    assert tensors.density.tolist() == [[3 / 4, 1 / 4], [1, 0]]


def test_signs(search):
    def trained(folder):
        return {"encoder.encoders.0.a.weight": torch.tensor([[-1.0, 1.0], [2.0, 0.0]]),
                "encoder.encoders.0.b.weight": torch.ones(1, 2)}

    found = read_layers(search, "tensor", trained)
    assert found.changed.tolist() == [[1, 1], [0, 0]]
    rows = found.rows()
    assert [row["changed_sign"] for row in rows] == [1 / 3, 1.0, 0.0, None]
    assert "changed sign %" in found.to_text() and "33.33" in found.to_text()


def test_the_command(search, tmp_path, capsys):
    files = [tmp_path / "layers.csv", tmp_path / "layers.svg"]
    assert cli.main(layers, [str(search.folder), "--by", "tensor", "--csv", str(files[0]), "--picture", str(files[1]),
                             "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[1] == {"layer": "encoder.encoders.0.a.weight", "round": 2, "weights": 4, "kept": 1, "density": 0.25}
    assert [row["density"] for row in csv.DictReader(files[0].open())] == ["0.75", "0.25", "1.0", "0.0"]
    assert files[1].read_text().startswith("<?xml")
    assert cli.main(layers, [str(search.folder)]) == 0
    assert "  83.33  16.67" in capsys.readouterr().out


def test_bad_input(tmp_path, capsys):
    assert cli.main(layers, [str(tmp_path)]) == 1
    assert "no masks: give the folder of a search" in capsys.readouterr().err


def test_names_are_shortened_by_their_common_folders():
    assert short(["exp/a/imp:1", "exp/a/imp:2"]) == ["imp:1", "imp:2"]
    assert short(["exp/imp", "exp/imp"]) == ["imp", "imp"]
