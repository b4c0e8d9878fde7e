"""Searches within ESPnet's training runs, and rounds that stop early, on the tiny recipe."""

from pathlib import Path

import pytest

from audio_lottery.bin import cli, find
from audio_lottery.espnet.models import load_state
from audio_lottery.invariants import check
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask

SEARCHES = {
    "gradual": "--within gradual --within_conf.every 1it --within_conf.end 0.6",
    "gradual_alone": "--within gradual --within_conf.every 2it --within_conf.end 0.3 --within_conf.retrain false",
    "rigl": "--within rigl --allocation erk --within_conf.every 1it --within_conf.end 0.5",
    "set": "--within set --allocation erk --within_conf.every 1it --within_conf.end 0.5",
    "early_bird": "--stop early_bird --prune_from dense --stop_conf.window 2 --stop_conf.threshold 0.5",
    "short": "--stop early --stop_conf.after 1ep",
}


def arguments(recipe, exp: Path, name: str) -> list[str]:
    return recipe.search(exp, "--lottery_args", f"--rounds 2 --rate 0.4 {SEARCHES[name]}")


@pytest.fixture(scope="module")
def searched(recipe, exp):
    """Name -> the finished search; its dense round is copied where it is the same."""
    found = {}

    def make(name: str) -> Layout:
        if name not in found:
            folder = recipe.folder / name
            assert cli.main(find, arguments(recipe, folder, name)) == 0
            found[name] = Layout(folder)
        return found[name]

    return make


def zeros_and_moments(layout: Layout, number: int) -> None:
    """Of the last checkpoint: weights and moments of pruned weights are zero, the rest is trained."""
    mask, states = Mask.load(layout.mask(number)), load_state(layout.round(number) / "checkpoint.pth")
    assert not mask.violations({name: states["model"][name] for name in mask})
    assert sum(int(states["model"][name].count_nonzero()) for name in mask) >= 0.98 * mask.kept


@pytest.mark.parametrize("name", SEARCHES)
def test_invariants_hold_and_costs_are_known(searched, name):
    layout = searched(name)
    assert [one for found in check(layout.folder, load_state).values() for one in found] == []
    rows = Ledger(layout.ledger).rows
    per_epoch = rows[0]["steps"] // 3
    assert rows[0]["search_steps"] == 0 and rows[0]["dense_equivalent_steps"] == rows[0]["steps"]
    for row in rows[1:]:
        zeros_and_moments(layout, row["round"])
        assert 0 < row["dense_equivalent_steps"] < row["steps"]
    searches = [row["search_steps"] for row in rows[1:]]
    if name in ("rigl", "set", "gradual_alone"):
        assert searches == [0, 0] and not layout.search_run.exists()
    elif name == "gradual":
        assert 0 < searches[0] < searches[1] == round(0.6 * rows[0]["steps"])
    elif name == "early_bird":
        assert searches == [2 * per_epoch] * 2 and [row["steps"] for row in rows[1:]] == [3 * per_epoch] * 2
    else:
        assert searches == [per_epoch, 2 * per_epoch]
        assert [(row["steps"], row["full"]) for row in rows] == [
            (3 * per_epoch, True), (per_epoch, False), (3 * per_epoch, True)]
