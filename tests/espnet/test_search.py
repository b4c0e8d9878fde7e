"""The invariants, on a real search by ESPnet on real (synthesised) speech."""

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from audio_lottery import snapshot
from audio_lottery.bin import cli
from audio_lottery.espnet.models import averaged_model_file, load_state, stock_model
from audio_lottery.invariants import check
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask


def violations(folder: Path) -> list[str]:
    return [one for found in check(folder, load_state).values() for one in found]


@pytest.fixture()
def copied(exp, tmp_path) -> Layout:
    shutil.copytree(exp, tmp_path / "exp", symlinks=True)
    return Layout(tmp_path / "exp")


def test_all_invariants_hold(exp, capsys):
    from audio_lottery.bin import check as command

    assert violations(exp) == []
    assert cli.main(command, [str(exp)]) == 0
    assert "FAIL" not in capsys.readouterr().out


def test_show_reads_the_search(exp, capsys):
    from audio_lottery.bin import show

    assert cli.main(show, [str(exp), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["round"] == 2
    assert shown["scope"]["density"] == pytest.approx(0.36, abs=1e-3)


def test_a_matrix_of_an_unknown_module_is_named(caplog):
    from audio_lottery.espnet.backend import EspnetBackend
    from audio_lottery.scope import ScopeConfig

    class Unknown(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear, self.table = torch.nn.Linear(3, 3), torch.nn.Parameter(torch.ones(4, 4))

    backend = EspnetBackend.__new__(EspnetBackend)
    backend.model, backend.scope_config = Unknown(), ScopeConfig()
    assert backend.scope() == ["linear.weight"]
    assert "table [4, 4] stays dense" in caplog.text
    caplog.clear()
    backend.scope_config = ScopeConfig(include=("linear", "table"))
    assert backend.scope() == ["table", "linear.weight"]
    assert caplog.text == ""


def test_rounds_are_ordinary_espnet_models(exp):
    """Invariant 1: stock names and shapes, strictly; pruned weights exact zeros; no mask inside."""
    layout = Layout(exp)
    for number in layout.finished():
        model = stock_model(layout.round(number), "asr")
        state = load_state(averaged_model_file(layout.round(number)))
        assert model.load_state_dict(state, strict=True)
        if number:
            assert Mask.load(layout.mask(number)).violations(model) == {}


def test_training_changed_the_weights_that_remain(exp):
    """A search whose rounds trained nothing would pass every test of zeros."""
    layout = Layout(exp)
    theta0 = snapshot.load(layout.theta0)
    for number in layout.finished():
        state = load_state(layout.round(number) / "latest.pth")
        moved = [name for name in theta0 if not torch.equal(theta0[name], state[name])]
        assert len(moved) > 0.9 * len([name for name in theta0 if theta0[name].is_floating_point()])


def test_round_one_pruned_the_smallest_of_the_last_epoch(exp):
    """An independent, sorting prune of the trained dense weights gives the same mask."""
    layout = Layout(exp)
    mask, trained = Mask.load(layout.mask(1)), load_state(layout.round(0) / "latest.pth")
    scores = torch.cat([trained[name].abs().flatten() for name in mask])
    threshold = scores.sort().values[mask.numel - mask.kept]
    for name in mask:
        assert torch.equal(mask[name], trained[name].abs() >= threshold), name


def test_density_is_logged_and_counted(exp):
    """Invariant 7: the ledger, ESPnet's log and the saved weights say the same."""
    row = Ledger(exp / "rounds.jsonl").get(2)
    state = load_state(averaged_model_file(Layout(exp).round(2)))
    names = json.loads((exp / "round_00/start.json").read_text())["parameters"]
    nonzero = sum(int(state[name].count_nonzero()) for name in Mask.load(Layout(exp).mask(2)))
    assert row["kept_scope"] == nonzero
    assert row["numel_whole"] == sum(state[name].numel() for name in names)
    assert f"density_scope={row['density_scope']:.3f}" in (exp / "round_02/train.log").read_text()
    assert row["density_whole"] > row["density_scope"]
    assert row["macs"]["sparse"] < row["macs"]["dense"]


def test_each_round_has_its_own_log_and_the_terminal_stays_quiet(exp):
    for number in range(3):
        log = (exp / f"round_{number:02d}/train.log").read_text()
        assert log.count("3epoch results") == 1
        assert "The training was finished at 3 epochs" in log
    assert logging.getLogger().getEffectiveLevel() >= logging.WARNING


@pytest.mark.parametrize("damage, said", [
    ("mask", "round 2: the mask keeps weights that round 1 pruned"),
    ("weight", "round 1: 3epoch.pth: pruned weights of .* are not exactly zero"),
    ("minus zero", "round 1: 3epoch.pth: pruned weights of .* are not exactly zero"),
    ("theta0", "round 1: tensor .* did not start from theta0.safetensors"),
    ("optimizer", "round 2: the optimiser did not start fresh"),
    ("seed", "round 2: seed started otherwise"),
    ("name", "round 2: .*: tensor extra.mask is not a stock name"),
    ("ledger", "round 1: rounds.jsonl says 5 weights in scope"),
    ("moment", "round 2: checkpoint.pth: exp_avg of pruned weights of .* is not zero"),
])
def test_every_violation_is_found(copied, damage, said):
    layout, first = copied, next(iter(Mask.load(copied.mask(1))))
    if damage == "mask":
        mask = dict(Mask.load(layout.mask(2)))
        mask[first] = ~Mask.load(layout.mask(1))[first]
        Mask(mask).save(layout.mask(2), {})
    elif damage in ("weight", "minus zero", "name"):
        path = layout.round(1 if damage != "name" else 2) / "3epoch.pth"
        state = load_state(path)
        if damage == "name":
            state["extra.mask"] = torch.ones(2)
        else:
            state[first][~Mask.load(layout.mask(1))[first]] = -0.0 if damage == "minus zero" else 1e-30
        torch.save(state, path)
    elif damage == "theta0":
        theta0 = snapshot.load(layout.theta0)
        theta0[first].add_(1e-6)
        snapshot.save(layout.theta0, theta0, {})
    elif damage in ("optimizer", "seed"):
        path = layout.round(2) / "start.json"
        start = json.loads(path.read_text())
        start["optimizer_states" if damage == "optimizer" else "seed"] = 3
        path.write_text(json.dumps(start))
    elif damage == "ledger":
        Ledger(layout.ledger).record(1, kept_scope=5)
    elif damage == "moment":
        path = layout.round(2) / "checkpoint.pth"
        states = load_state(path)
        index = json.loads((layout.round(2) / "start.json").read_text())["parameters"].index(first)
        states["optimizers"][0]["state"][index]["exp_avg"][~Mask.load(layout.mask(2))[first]] = 1e-9
        torch.save(states, path)
    import re

    found = violations(layout.folder)
    assert any(re.match(said, one) for one in found), found


def test_check_names_the_first_violation_and_fails(copied, capsys):
    from audio_lottery.bin import check as command

    Ledger(copied.ledger).record(1, kept_scope=5)
    assert cli.main(command, [str(copied.folder), "--stock", "false"]) == 1
    assert "round 1: rounds.jsonl says 5 weights in scope" in capsys.readouterr().err


def test_separate_processes_give_the_same_weights(recipe, exp, tmp_path, same_search):
    """Rounds in processes of their own, the same masks and weights."""
    process = recipe.spawn(tmp_path / "exp", "--separate_rounds", "true")
    output, _ = process.communicate(timeout=1200)
    assert process.returncode == 0, output
    same_search(exp, tmp_path / "exp")


def test_rewinding_to_step_k(recipe, tmp_path):
    """theta after two optimiser steps is kept, and round 1 starts from it."""
    from audio_lottery.bin import find

    arguments = recipe.search(tmp_path / "exp", "--asr_args", "--max_epoch 1")
    arguments[arguments.index("--lottery_args") + 1] += " --rounds 1 --rewind 2it"
    assert cli.main(find, arguments) == 0
    layout = Layout(tmp_path / "exp")
    assert snapshot.metadata(layout.thetak) == {"kind": "thetak", "moment": "2it"}
    theta0, thetak = snapshot.load(layout.theta0), snapshot.load(layout.thetak)
    assert any(not torch.equal(theta0[name], thetak[name]) for name in theta0)
    assert int(thetak["encoder.encoders.0.conv_module.norm.num_batches_tracked"]) == 2
    assert violations(layout.folder) == []


def test_seed_changes_the_ticket(recipe, exp, tmp_path):
    """Another seed, another theta0: the comparison above is not between constants."""
    from audio_lottery.bin import find

    assert cli.main(find, recipe.search(tmp_path / "exp", "--asr_args", "--seed 7 --max_epoch 1")) == 0
    assert snapshot.digests(snapshot.load(tmp_path / "exp/theta0.safetensors")) != \
        snapshot.digests(snapshot.load(exp / "theta0.safetensors"))
    config = yaml.safe_load((tmp_path / "exp/round_01/config.yaml").read_text())
    assert config["seed"] == 7
