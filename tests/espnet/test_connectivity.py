"""The line between rounds of the tiny search, scored on its dev set."""

import json

import pytest

from audio_lottery.bin import cli, connectivity
from audio_lottery.espnet.models import load_state


def line(capsys, *words: object) -> dict:
    assert cli.main(connectivity, [*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_ends_score_as_espnets_validation_did(exp, tmp_path, capsys):
    found = line(capsys, f"{exp}:0", f"{exp}:1", "--points", 3, "--batch_norm", "interpolated", "--model_file",
                 "latest.pth", "--report", tmp_path)
    for share, number in ((0, 0), (2, 1)):
        epochs = load_state(exp / f"round_{number:02d}/checkpoint.pth")["reporter"]["stats"]
        wanted = epochs[max(epochs)]["valid"]
        for key in ("loss", "cer_ctc"):
            assert found["points"][share][key] == pytest.approx(float(wanted[key]), rel=1e-4), (number, key)
    heights = [row["loss"] for row in found["points"]]
    assert found["barriers"]["loss"] == pytest.approx(max(heights) - (heights[0] + heights[2]) / 2)
    assert found["batch_norm"] == "interpolated"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"connectivity.{kind}" for kind in ("csv", "json",
                                                                                                    "png")]
    assert (tmp_path / "connectivity.csv").read_text().splitlines()[0].startswith("share,loss")
    assert len((tmp_path / "connectivity.csv").read_text().splitlines()) == 4


def test_a_model_is_connected_to_itself(exp, capsys):
    """Statistics re-estimated from the training set: the same at every point, and not the trained ones."""
    found = line(capsys, f"{exp}:2", exp / "round_02", "--points", 2, "--norm_batches", 2)
    assert found["barriers"]["loss"] == pytest.approx(0, abs=1e-4)
    assert found["batch_norm"] == "reestimated"
    kept = line(capsys, f"{exp}:2", exp, "--points", 2, "--batch_norm", "interpolated")
    assert kept["points"][0]["loss"] != found["points"][0]["loss"]


@pytest.mark.parametrize("words, said", [
    (["{exp}:7", "{exp}"], "{exp}:7: no trained round: give EXP, EXP:ROUND or an ESPnet experiment folder (rounds of "
                           "{exp}: 0, 1, 2)"),
    (["{exp}", "{exp}", "--points", "1"], "--points"),
    (["{exp}", "{exp}", "--model_file", "none.pth"], "none.pth: not found"),
])
def test_bad_input(exp, capsys, words, said):
    try:
        status = cli.main(connectivity, [word.format(exp=exp) for word in words])
    except SystemExit as stopped:
        status = stopped.code
    assert status == 1 and said.format(exp=exp) in capsys.readouterr().err
