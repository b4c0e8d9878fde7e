"""The methods of a search together, over real (if small) training runs in plain torch."""

import functools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from audio_lottery import hooks, snapshot
from audio_lottery.config import LotteryConfig
from audio_lottery.criteria import Calibration, criteria
from audio_lottery.errors import LotteryError
from audio_lottery.invariants import check_masks
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask
from audio_lottery.rounds import search

PLAIN = replace(LotteryConfig(), rounds=2, rate=0.3)


class Block(nn.Module):
    """A little of everything that groups are found in: heads, feed-forward channels, a norm."""

    def __init__(self):
        super().__init__()
        self.h = 2
        self.linear_q, self.linear_k, self.linear_v, self.linear_out = (nn.Linear(8, 8) for _ in range(4))
        self.norm, self.w_1, self.w_2 = nn.BatchNorm1d(8), nn.Linear(8, 12), nn.Linear(12, 8)

    def forward(self, x):
        x = x + self.linear_out(torch.relu(self.linear_q(x) + self.linear_k(x)) + self.linear_v(x))
        return x + self.w_2(torch.relu(self.w_1(self.norm(x))))


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.blocks = nn.Linear(6, 8), nn.ModuleList(Block() for _ in range(3))

    def forward(self, x):
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return x


def loss(network, inputs):
    return (network(inputs)[:, :3] - inputs[:, :3].sin()).square().mean()


class TorchBackend:
    """Trains for ten steps, the learning rate falling; deterministic from its seed."""

    def network(self, seed=0):
        torch.manual_seed(seed)
        return Network()

    def settings(self):
        return {"steps": 10}

    def scope(self):
        return [name for name, _ in self.network().named_parameters() if name.endswith("weight") and "norm" not in name]

    def fresh(self, seed):
        return self.network(1000 + seed).state_dict()

    def train(self, round_folder: Path, options):
        network = self.network()
        if "init" in options:
            snapshot.load_into(network, options["init"])
        else:
            snapshot.save(options["theta0"], network.state_dict(), {})
        if "mask" in options:
            hooks.attach(network, Mask.load(options["mask"]))
        snapshot.save(round_folder / "start.safetensors", network.state_dict(), {})
        constant = options.get("learning_rate")
        optimizer = torch.optim.Adam(network.parameters(), float(constant or 0.02))
        torch.manual_seed(1)
        for step in range(10):
            optimizer.param_groups[0]["lr"] = float(constant or 0.02 / (1 + step))
            optimizer.zero_grad()
            loss(network, torch.randn(16, 6)).backward()
            optimizer.step()
        snapshot.save(round_folder / "final.safetensors", network.state_dict(),
                      {"lr": str(optimizer.param_groups[0]["lr"])})

    def state(self, round_folder, source):
        return snapshot.load(round_folder / "final.safetensors")

    def weights(self, round_folder, source):
        names = [name for name, _ in self.network().named_parameters()]
        return {name: value for name, value in self.state(round_folder, source).items() if name in names}

    def learning_rate(self, round_folder):
        return float(snapshot.metadata(round_folder / "final.safetensors")["lr"])

    def calibration(self, state, part, batches, initial):
        network = self.network()
        network.load_state_dict(state)
        generator = torch.Generator().manual_seed(5)
        data = [torch.randn(4, 6, generator=generator) for _ in range(batches)]
        return Calibration(network.eval(), lambda: iter(data), lambda: (b[n : n + 1] for b in data for n in range(4)),
                           loss, lambda net: net(torch.ones(1, 6, dtype=torch.double)))

    def facts(self, round_folder):
        return {"epochs": 1, "steps": 10}


def run(folder: Path, **changes) -> Layout:
    config = replace(PLAIN, **changes)
    search(folder, config, TorchBackend())
    layout = Layout(folder)
    assert layout.finished() == list(range(config.rounds + 1))
    assert list(check_masks(layout)) == []
    return layout


def mask(layout: Layout, number: int) -> Mask:
    return Mask.load(layout.mask(number))


def start(layout: Layout, number: int) -> dict:
    return snapshot.load(layout.round(number) / "start.safetensors")


def digests(folder: Path) -> dict:
    return {str(path.relative_to(folder)): snapshot.digests(snapshot.load(path))
            for path in folder.rglob("*.safetensors")}


@pytest.fixture(scope="module")
def imp(tmp_path_factory) -> Layout:
    return run(tmp_path_factory.mktemp("exp") / "tiny_imp")


@pytest.mark.parametrize("criterion", list(criteria))
def test_every_criterion_finds_nested_masks_of_exact_size(criterion, tmp_path):
    layout = run(tmp_path, criterion=criterion)
    assert [row["kept_scope"] for row in Ledger(layout.ledger).rows[1:]] == [mask(layout, n).kept for n in (1, 2)]


def test_criteria_differ(tmp_path, imp):
    found = {name: mask(run(tmp_path / name, criterion=name, rounds=1), 1).digest() for name in criteria}
    assert len(set(found.values())) == len(found)


@pytest.mark.parametrize("changes", [
    {"schedule": "decaying", "schedule_conf": {"factor": 0.5}},
    {"schedule": "densities", "schedule_conf": {"densities": [0.4, 0.1]}},
    {"schedule": "one_shot", "schedule_conf": {"density": 0.1}, "rounds": 1},
    {"allocation": "layerwise"}, {"allocation": "uniform"}, {"allocation": "erk"},
    {"allocation": "output", "criterion": "wanda"},
    {"allocation": "bounded", "allocation_conf": {"minimum": {"embed": 0.9}}},
    {"granularity": "4x1"}, {"granularity": "16x1", "allocation": "uniform"}, {"granularity": "row"},
    {"granularity": "column", "schedule": "decaying"}, {"granularity": "head", "rate": 0.2},
    {"granularity": "ffn_channel", "allocation": "layerwise"}, {"granularity": "layer", "rate": 0.3},
    {"granularity": "2:4", "schedule": "densities", "schedule_conf": {"densities": [0.75, 0.5]}},
    {"granularity": "1:4", "schedule": "one_shot", "schedule_conf": {"density": 0.25}, "rounds": 1,
     "criterion": "wanda"},
    {"criterion": "synflow", "criterion_conf": {"iterations": 20}, "prune_from": "init"},
    {"criterion": "snip", "criterion_conf": {"batches": 2, "set": "dev"}, "prune_from": "init", "granularity": "4x1"},
])
def test_methods_combine(changes, tmp_path):
    layout = run(tmp_path / "a", **changes)
    run(tmp_path / "b", **changes)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    last = mask(layout, layout.finished()[-1])
    assert 0 < last.density < 1 and last.kept == Ledger(layout.ledger).rows[-1]["kept_scope"]


@pytest.mark.parametrize("restart", ["learning_rate", "finetune", "fresh", "sign"])
def test_restarts(restart, tmp_path):
    layout = run(tmp_path, restart=restart)
    theta0 = snapshot.load(layout.theta0)
    for number in (1, 2):
        begun, kept = start(layout, number), mask(layout, number)
        if restart in ("learning_rate", "finetune"):
            wanted = snapshot.load(layout.round(number - 1) / "final.safetensors")
        elif restart == "fresh":
            wanted = {name: value.clone() for name, value in TorchBackend().fresh(0).items()}
            assert not torch.equal(wanted["embed.weight"], theta0["embed.weight"])
        else:
            wanted = theta0 | {name: theta0[name].sign() * theta0[name].std(correction=0) for name in kept}
        kept.apply_(wanted)
        assert snapshot.digests(begun) == snapshot.digests(wanted)
        assert not layout.init(number).exists()
    rates = [snapshot.metadata(layout.round(n) / "final.safetensors")["lr"] for n in (0, 1, 2)]
    assert len(set(rates)) == 1


def test_finetuning_stays_at_the_last_learning_rate(tmp_path):
    class Recording(TorchBackend):
        seen: list = []

        def train(self, round_folder, options):
            self.seen.append(options.get("learning_rate"))
            super().train(round_folder, options)

    search(tmp_path, replace(PLAIN, restart="finetune"), Recording())
    assert Recording.seen == [None, "0.002", "0.002"]


STOPPED = {"finetune": {"restart": "finetune", "criterion": "taylor"},
           "fresh": {"restart": "fresh", "granularity": "head", "rate": 0.2}}


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    folder = tmp_path_factory.mktemp("straight")
    return {name: digests(run(folder / name, **changes).folder) for name, changes in STOPPED.items()}


@pytest.mark.parametrize("name, method, call", [
    ("finetune", "train", 2), ("finetune", "train", 3), ("finetune", "state", 1), ("finetune", "state", 2),
    ("finetune", "calibration", 2), ("finetune", "learning_rate", 1), ("fresh", "fresh", 1), ("fresh", "train", 3),
    ("fresh", "weights", 2),
])
def test_stopped_anywhere_it_ends_the_same(tmp_path, straight, stopping, name, method, call):
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path, replace(PLAIN, **STOPPED[name]), stopping(TorchBackend, method, call))
    run(tmp_path, **STOPPED[name])
    assert digests(tmp_path) == straight[name]


def test_a_random_ticket_is_the_mask_of_the_search_beside_with_fresh_weights(imp):
    layout = run(imp.folder.parent / "tiny_random_ticket", masks_from="imp", restart="fresh")
    for number in (1, 2):
        assert mask(layout, number) == mask(imp, number)
        same = torch.equal(start(layout, number)["embed.weight"], start(imp, number)["embed.weight"])
        assert not same


def test_a_layer_shuffle_has_the_layer_densities_of_the_search_beside(imp):
    layout = run(imp.folder.parent / "tiny_layer_shuffle", criterion="random", allocation="copied",
                 allocation_conf={"mask": "imp"})
    for number in (1, 2):
        assert mask(layout, number).kept_per_tensor == mask(imp, number).kept_per_tensor
        assert mask(layout, number) != mask(imp, number)


def test_bounds_hold(tmp_path):
    layout = run(tmp_path, allocation="bounded", rate=0.6,
                 allocation_conf={"minimum": {"embed": 0.8}, "maximum": {"blocks.2": 0.05}})
    densities = mask(layout, 2).densities
    assert densities["embed.weight"] >= 0.8
    assert all(density <= 0.05 for name, density in densities.items() if "blocks.2" in name)


@pytest.mark.parametrize("changes, said", [
    ({"masks_from": "imp"}, "imp: no search of this name beside .*: run it first, or name its folder"),
    ({"allocation": "copied", "allocation_conf": {"mask": "imp"}}, "no search of this name"),
    ({"granularity": "head", "rate": 0.05}, "head: round 1 would prune nothing, 6 of 6 groups remain .*take rounds: 0"),
    ({"allocation": "bounded", "allocation_conf": {"minimum": {"embedd": 0.5}}}, "'embedd' matches no tensor"),
    ({"allocation": "bounded", "allocation_conf": {"minimum": {".": 0.5}}},
     "round 2 is to have density 0.4899 and the minima give 0.5000: loosen the minima"),
    ({"granularity": "conv_channel"}, "this model has no conv_channel in scope"),
    # Two heads a layer: 0.7 of them is one, and 0.49 is one again.
    ({"granularity": "head", "allocation": "even"}, "head: round 2 would prune nothing, 3 of 6 groups remain"),
    ({"allocation": "even"}, "even is for weights that go in groups: take allocation: uniform"),
    ({"allocation": "output", "granularity": "row"}, "compares single weights: take granularity: weight"),
    ({"granularity": "2:4"}, "2:4 cannot give density 0.7000: the nearest that it can is 0.75"),
    ({"restart": "finetune", "rewind": "3it"}, "rewind: 3it with restart: finetune"),
    ({"schedule": "one_shot"}, "needs a density"),
    ({"criterion": "movement", "prune_from": "init"}, "take prune_from: last"),
    ({"masks_from": "imp", "criterion": "random"}, "criterion: random with masks_from: imp would do nothing"),
])
def test_nonsense_is_refused_before_any_training(changes, said, tmp_path):
    class Untrained(TorchBackend):
        train = functools.partial(pytest.fail, "trained")

    with pytest.raises(LotteryError, match=said):
        search(tmp_path / "exp", replace(PLAIN, **changes), Untrained())


def test_masks_that_the_other_search_does_not_have(imp):
    with pytest.raises(LotteryError, match="round_03.safetensors is not there: .* or take rounds: 2"):
        search(imp.folder.parent / "tiny_more", replace(PLAIN, masks_from=str(imp.folder), rounds=3), TorchBackend())


@pytest.mark.parametrize("changes, said", [
    ({}, "the mask keeps .* weights, .* are due"), ({"granularity": "4x1"}, "the mask cuts a group of 4x1 in embed"),
])
def test_a_changed_mask_is_found(changes, said, tmp_path):
    layout = run(tmp_path, **changes)
    changed = dict(mask(layout, 2))
    changed["embed.weight"] = changed["embed.weight"].clone()
    changed["embed.weight"][1] ^= True
    Mask(changed).save(layout.mask(2))
    import re
    assert any(re.search(said, one) for one in check_masks(layout))


def test_a_search_of_an_older_version_goes_on(tmp_path):
    import yaml

    layout = run(tmp_path, rounds=1)
    values = yaml.safe_load(layout.config.read_text())
    for key in ("schedule", "schedule_conf", "restart", "criterion_conf", "granularity", "allocation_conf",
                "masks_from"):
        del values[key]
    layout.config.write_text(yaml.safe_dump(values))
    assert list(check_masks(layout)) == []
    run(tmp_path)
