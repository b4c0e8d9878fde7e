"""Controls at one density: the dense model is taken from the search beside, one round is trained."""

import pytest

from audio_lottery.bin import cli, find
from audio_lottery.espnet.models import load_state
from audio_lottery.invariants import check
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask


@pytest.mark.parametrize("preset, arguments", [
    ("random_ticket", "--masks_from {exp}"), ("layer_shuffle", "--allocation_conf.mask {exp}"), ("random_pruning", ""),
])
def test_a_control_costs_one_training(recipe, exp, tmp_path, repo_root, preset, arguments):
    layout, source = Layout(tmp_path / preset), Layout(exp)
    options = recipe.search(layout.folder, "--dense_model", str(source.round(0)),
                            "--lottery_conf", str(repo_root / f"conf/lottery/{preset}.yaml"))
    options[options.index("--lottery_args") + 1] = ("--rounds 2 --rate 0.4 --only_rounds 2 "
                                                    + arguments.format(exp=exp))
    assert cli.main(find, options) == 0
    assert layout.finished() == [0, 2] and layout.imported.exists()
    assert {what: found for what, found in check(layout.folder, load_state).items() if found} == {}
    mask, ticket = Mask.load(layout.mask(2)), Mask.load(source.mask(2))
    assert mask.kept == ticket.kept
    assert (mask == ticket) == (preset == "random_ticket")
    assert (mask.kept_per_tensor == ticket.kept_per_tensor) == (preset != "random_pruning")
    row = Ledger(layout.ledger).get(2)
    # Random masks cost nothing to find; a random ticket's mask cost what the ticket's did.
    searched = Ledger(source.ledger).get(2)["search_steps"]
    assert row["search_steps"] == (searched if preset == "random_ticket" else 0) and searched > 0
