"""Narrower dense models: their sizes on every backbone, and a search of them on the tiny recipe."""

from pathlib import Path

import pytest
import yaml

from audio_lottery.bin import cli, find, recipe_options
from audio_lottery.bin.cli import Parser
from audio_lottery.errors import LotteryError
from audio_lottery.espnet.backend import EspnetBackend
from audio_lottery.espnet.models import load_state
from audio_lottery.espnet.small_dense import parameters, resized
from audio_lottery.espnet.widths import narrow, scaled
from audio_lottery.invariants import check
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.scope import ScopeConfig

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "conf").glob("train_asr_*.yaml"))


def test_sizes_come_in_steps_of_their_kind():
    confs = {"encoder_conf": {"output_size": 96, "attention_heads": 4, "cgmlp_linear_units": 50, "num_blocks": 4,
                              "body": [{"linear_units": 10, "conv_size": [64, 128]}]},
             "decoder_conf": {"attention_heads": 6, "hidden_size": 30}}
    assert scaled(confs, 0.6, 0.5) == {
        "encoder_conf": {"output_size": 60, "attention_heads": 4, "cgmlp_linear_units": 24, "num_blocks": 4,
                         "body": [{"linear_units": 5, "conv_size": [32, 64]}]},
        "decoder_conf": {"attention_heads": 6, "hidden_size": 15}}
    assert scaled(confs, 0, 0)["encoder_conf"]["output_size"] == 12  # 12 is a multiple of 2, 4 and 6
    assert scaled(confs, 1, 1)["encoder_conf"] == confs["encoder_conf"] | {"output_size": 96}


@pytest.mark.parametrize("target", [10, 333, 5000, 12160])
def test_the_nearest_number_is_found(target):
    """Attention over 8 to 64 in steps of 8, and 1 to 128 inner units: w * w + 2 * w * u parameters."""
    confs = {"encoder_conf": {"output_size": 64, "attention_heads": 8, "linear_units": 63}}

    def count(made):
        width, units = (made["encoder_conf"][key] for key in ("output_size", "linear_units"))
        return width * width + 2 * width * units

    if target == 10:
        with pytest.raises(LotteryError, match="no model of 10 parameters: with every size at its least it has 80"):
            narrow(confs, count, target)
    else:
        found = narrow(confs, count, target)
        # One unit more or less is 2 * width parameters.
        assert abs(count(found) - target) <= found["encoder_conf"]["output_size"]


def backend(recipe, path: Path) -> EspnetBackend:
    parser = Parser()
    find.add_arguments(parser)
    args = parser.parse_args(recipe.search(recipe.folder / "unused", config=path))
    return EspnetBackend(recipe_options.read(args, str(recipe.stats)), ScopeConfig())


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem.removeprefix("train_asr_"))
def test_every_backbone_gets_narrower(recipe, path):
    dense = backend(recipe, path)
    whole = parameters(dense)
    for density in (0.5, 0.2):
        target = round(density * whole)
        assert parameters(resized(dense, target)) == pytest.approx(target, rel=0.01)
    if "vgg" in path.stem:  # ESPnet's VGG convolutions have a fixed size
        with pytest.raises(LotteryError, match="no model of .* parameters: with every size at its least it has"):
            resized(dense, round(0.05 * whole))


def test_a_search_of_narrower_models(recipe, exp, tmp_path, capsys):
    options = recipe.search(tmp_path / "exp", "--dense_model", str(exp / "round_00"))
    options[options.index("--lottery_args") + 1] = f"--rounds 2 --only_rounds 2 --small_dense {exp}"
    assert cli.main(find, options) == 0
    layout = Layout(tmp_path / "exp")
    assert layout.finished() == [0, 2]
    assert {what: found for what, found in check(layout.folder, load_state).items() if found} == {}
    row, ticket = Ledger(layout.ledger).get(2), Ledger(Layout(exp).ledger).get(2)
    assert row["nonzero_whole"] == pytest.approx(ticket["nonzero_whole"], rel=0.1)
    assert row["density_whole"] == row["nonzero_whole"] / ticket["numel_whole"] < 0.6
    assert row["search_steps"] == 0 and 0 < row["dense_equivalent_steps"] < row["steps"]
    config = yaml.safe_load((layout.round(2) / "config.yaml").read_text())
    assert config["encoder_conf"]["output_size"] < 16 and config["encoder_conf"]["attention_heads"] == 2
    state = load_state(layout.round(2) / "latest.pth")
    assert state["ctc.ctc_lo.weight"].shape[1] == config["encoder_conf"]["output_size"]
    before = layout.ledger.read_bytes()
    assert cli.main(find, options) == 0  # finished: nothing is done again
    assert layout.ledger.read_bytes() == before
    capsys.readouterr()
    options[options.index("--lottery_args") + 1] = f"--rounds 3 --small_dense {exp}"
    assert cli.main(find, options) == 1
    assert "no round 3: run that search to it, or take fewer rounds" in capsys.readouterr().err
