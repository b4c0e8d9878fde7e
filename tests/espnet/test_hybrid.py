"""Hybrid CTC/attention: encoder and decoder in scope, joint decoding by the stock command."""

import copy
from pathlib import Path

import pytest
import yaml

from audio_lottery.bin import cli, decode, find
from audio_lottery.espnet.models import load_state
from audio_lottery.invariants import check
from audio_lottery.layout import Layout
from audio_lottery.mask import Mask


@pytest.fixture(scope="module")
def hybrid(recipe) -> Path:
    """A search of one round with the shipped hybrid configuration, made tiny."""
    shipped = yaml.safe_load((Path(__file__).resolve().parents[2] / "conf/train_asr_conformer_hybrid.yaml").read_text())
    config = copy.deepcopy(yaml.safe_load(recipe.config.read_text()))
    for key in ("decoder", "model_conf", "best_model_criterion"):
        config[key] = shipped[key]
    config["decoder_conf"] = shipped["decoder_conf"] | {"attention_heads": 2, "linear_units": 16, "num_blocks": 1}
    config["max_epoch"] = 2
    path = recipe.folder / "hybrid.yaml"
    path.write_text(yaml.safe_dump(config))
    arguments = recipe.search(recipe.folder / "exp_hybrid", config=path)
    arguments[arguments.index("--lottery_args") + 1] += " --rounds 1"
    assert cli.main(find, arguments) == 0
    return recipe.folder / "exp_hybrid"


def test_decoder_is_in_scope_and_invariants_hold(hybrid):
    mask = Mask.load(Layout(hybrid).mask(1))
    assert "decoder.decoders.0.src_attn.linear_q.weight" in mask
    assert "decoder.decoders.0.feed_forward.w_1.weight" in mask
    assert not any(name.startswith(("decoder.embed", "decoder.output_layer", "ctc.")) for name in mask)
    assert [one for found in check(hybrid, load_state).values() for one in found] == []


def test_joint_decoding(hybrid, recipe):
    config = recipe.folder / "decode_hybrid.yaml"
    config.write_text("beam_size: 2\nctc_weight: 0.3\nmaxlenratio: 0.2\n")
    command = [str(hybrid), "--inference_config", str(config), "--data", str(recipe.dump), "--sets", "dev"]
    assert cli.main(decode, command) == 0
    assert cli.main(decode, [*command, "--merge"]) == 0
    assert len((hybrid / "round_01/decode_hybrid/dev/text").read_text().splitlines()) == 6

