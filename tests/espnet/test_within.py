"""Searches within ESPnet's training runs, and rounds that stop early, on the tiny recipe."""

from pathlib import Path

import pytest

from audio_lottery.bin import cli, find
from audio_lottery.espnet import trainer
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
    """Name -> the finished search, made when it is first asked for."""
    found = {}

    def make(name: str) -> Layout:
        if name not in found:
            folder = recipe.folder / name
            assert cli.main(find, arguments(recipe, folder, name)) == 0
            found[name] = Layout(folder)
        return found[name]

    return make


@pytest.mark.parametrize("name", SEARCHES)
def test_invariants_hold_and_costs_are_known(searched, name):
    layout = searched(name)
    assert [one for found in check(layout.folder, load_state).values() for one in found] == []
    rows = Ledger(layout.ledger).rows
    per_epoch = rows[0]["steps"] // 3
    assert rows[0]["search_steps"] == 0 and rows[0]["dense_equivalent_steps"] == rows[0]["steps"]
    for row in rows[1:]:
        mask = Mask.load(layout.mask(row["round"]))
        assert 0.98 * mask.kept <= row["kept_scope"] <= mask.kept  # of the average over epochs of one mask
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


@pytest.mark.parametrize("name, run, step", [
    ("gradual", "search_run", 0.5), ("gradual_alone", "round_01", 0.5), ("rigl", "round_02", 0.5),
    ("set", "round_01", 0.9), ("early_bird", "round_00", 0.9), ("short", "round_01", 0.2),
])
def test_killed_within_a_run_it_ends_the_same(recipe, searched, same_search, tmp_path, monkeypatch, name, run, step):
    """At this part of the run's steps; masks, update state and checkpoint agree when it goes on."""
    whole, count = searched(name), trainer._count
    steps = round(step * Ledger(whole.ledger).rows[0]["steps"])

    def killed(one):
        count(one)
        if one.progress.name == run and one.steps == steps:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "_count", killed)
        assert cli.main(find, arguments(recipe, tmp_path / name, name)) != 0
    assert not (tmp_path / name / run / "done.json").exists()
    assert cli.main(find, arguments(recipe, tmp_path / name, name)) == 0
    same_search(whole.folder, tmp_path / name)
    ours, theirs = (Ledger(tmp_path / name).rows, Ledger(whole.ledger).rows)
    for key in ("search_steps", "dense_equivalent_steps", "search_dense_equivalent_steps"):
        assert [row[key] for row in ours] == [row[key] for row in theirs]


def test_what_needs_a_known_length_is_refused(recipe, tmp_path, capsys):
    config = tmp_path / "patience.yaml"
    config.write_text(recipe.config.read_text() + "patience: 2\n")
    command = [str(tmp_path / "exp"), *recipe.options(config), "--stats", str(recipe.stats)]
    assert cli.main(find, [*command, "--lottery_args", "--within rigl"]) == 1
    assert "patience.yaml: patience: 2: searches within a training run" in capsys.readouterr().err
    assert not (tmp_path / "exp/round_00").exists()


def test_a_mask_that_changed_to_the_end_is_not_averaged(recipe, tmp_path, capsys):
    command = recipe.search(tmp_path / "exp", "--lottery_args", "--within rigl --within_conf.end 0.9")
    assert cli.main(find, command) == 1
    assert "and 2 models are averaged (keep_nbest_models): take an end of at most" in capsys.readouterr().err
