"""Whole searches over a training loop in plain torch: invariants, costs, kills at any step."""

from dataclasses import replace

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch.nn.parallel import DistributedDataParallel

from audio_lottery import hooks, ranks, snapshot
from audio_lottery.config import LotteryConfig
from audio_lottery.errors import LotteryError
from audio_lottery.invariants import check_masks
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask
from audio_lottery.processes import end
from audio_lottery.rounds import search
from audio_lottery.search.session import begin

PLAIN = replace(LotteryConfig(), rounds=2, rate=0.5)
WITHIN = {
    "gradual": {"within": "gradual", "within_conf": {"every": "2it", "end": 0.7}},
    "alone": {"within": "gradual", "within_conf": {"every": "2it", "end": 0.5, "retrain": False}},
    "blocks": {"within": "gradual", "within_conf": {"every": "4it"}, "granularity": "4x1", "allocation": "uniform"},
    "rigl": {"within": "rigl", "within_conf": {"every": "2it"}, "allocation": "erk"},
    "set": {"within": "set", "within_conf": {"every": "2it"}},
}
STOP = {
    "early": {"stop": "early", "stop_conf": {"after": "2ep"}},
    "bird": {"stop": "early_bird", "stop_conf": {"window": 2, "threshold": 0.2}},
    "dense_bird": {"stop": "early_bird", "stop_conf": {"window": 2, "threshold": 0.2}, "prune_from": "dense"},
}
ALL = WITHIN | STOP


def run(folder, backend, **changes) -> Layout:
    search(folder, replace(PLAIN, **changes), backend())
    assert list(check_masks(Layout(folder))) == []
    return Layout(folder)


def result(layout: Layout) -> dict:
    """All masks, weights and ledger rows but times."""
    rows = [{key: value for key, value in row.items() if key not in ("train_seconds", "finished")}
            for row in Ledger(layout.ledger).rows]
    models = {path: snapshot.digests(torch.load(layout.folder / path, weights_only=True)["model"])
              for path in sorted(str(one.relative_to(layout.folder)) for one in layout.folder.rglob("*.pth"))}
    masks = {str(path): Mask.load(path).digest() for path in map(layout.mask, (1, 2)) if path.exists()}
    return {"rows": rows, "models": models, "masks": list(masks.values())}


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    made = {}

    def get(name, backend):
        if name not in made:
            made[name] = result(run(tmp_path_factory.mktemp("search"), backend, **ALL[name]))
        return made[name]

    return get


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("step", [2, 31, 44, 57, 63])
def test_killed_at_any_step_it_ends_the_same(straight, backend, tmp_path, name, step):
    """Dense: steps 1 to 30; a search run or round 1 from step 31; then round 2."""

    class Killed(backend):
        steps = 0

        def look(self, *args):
            super().look(*args)
            Killed.steps += 1
            if Killed.steps == step:
                raise KeyboardInterrupt

    try:
        search(tmp_path, replace(PLAIN, **ALL[name]), Killed())
    except KeyboardInterrupt:
        pass
    assert Killed.steps >= min(step, 50)
    assert result(run(tmp_path, backend, **ALL[name])) == straight(name, backend)


@pytest.mark.parametrize("name", ["rigl", "set", "alone"])
def test_a_round_ends_with_the_density_and_starts_from_theta0(straight, backend, tmp_path, name):
    layout = run(tmp_path, backend, **ALL[name])
    for number, density in ((1, 0.5), (2, 0.25)):
        mask, state = Mask.load(layout.mask(number)), backend().state(layout.round(number), "last")
        assert mask.density == pytest.approx(density, abs=0.003)
        assert not mask.violations({one: state[one] for one in mask})
        # what grew on a dead unit has no gradient and stays zero
        assert sum(int(state[one].count_nonzero()) for one in mask) >= (0.8 if name == "set" else 0.97) * mask.kept
        begun = Mask.load(layout.changing(layout.round(number), 0))
        assert begun != mask and begun.density == pytest.approx(1 if name == "alone" else density, abs=0.003)


def test_costs_of_rigl_by_hand(straight, backend):
    """30 steps at density 0.5; the 11 with an update (2, 4, ... 22) need the dense gradient: (2 * 0.5 + 1) / 3."""
    row = straight("rigl", backend)["rows"][1]
    assert row["search_steps"] == 0 and row["steps"] == 30
    mask = 1 - (1 - row["kept_scope"] / row["numel_scope"])
    assert row["dense_equivalent_steps"] == pytest.approx(19 * mask + 11 * (2 * mask + 1) / 3, rel=0.01)


def test_costs_of_a_gradual_run_by_hand(straight, backend, tmp_path):
    """The masks' steps; up to there the run was dense at first and then as the curve says."""
    rows = straight("gradual", backend)["rows"]
    # final sparsity 0.75, end 21, updates after 2, 4, ...: 0.5 is passed when 1 - (1 - t/21)^3 >= 2/3, t = 6.4
    # with so few weights the last density is met, rounded, just before the end
    assert [row["search_steps"] for row in rows] == [0, 8, 20]
    sparsity = [0.75 * (1 - (1 - t / 21) ** 3) for t in (0, 2, 4, 6)]
    assert rows[1]["search_dense_equivalent_steps"] == pytest.approx(sum(2 * (1 - one) for one in sparsity), abs=0.1)
    assert [row["steps"] for row in rows] == [30, 30, 30]


def test_stops_cost_their_steps(straight, backend):
    rows = straight("early", backend)["rows"]
    assert [(row["steps"], row["search_steps"], row["full"]) for row in rows] == [
        (30, 0, True), (10, 10, False), (30, 20, True)]
    assert rows[2]["search_dense_equivalent_steps"] == pytest.approx(10 + 10 * 0.5, rel=0.01)


def test_rounds_stop_on_the_way_to_a_target(straight, backend, tmp_path):
    """No round before the last reaches it, and each stops nevertheless."""
    found = result(run(tmp_path, backend, **STOP["early"], schedule_conf={"target": 0.25}))
    assert [row["steps"] for row in found["rows"]] == [30, 10, 30]
    assert found["masks"] == straight("early", backend)["masks"]


def test_rounds_trained_in_full_have_the_same_masks(straight, backend, tmp_path):
    every = result(run(tmp_path, backend, **STOP["early"], full_rounds="all"))
    assert every["masks"] == straight("early", backend)["masks"]
    assert [row["steps"] for row in every["rows"]] == [30, 30, 30]
    assert [row["search_steps"] for row in every["rows"]] == [0, 10, 20]
    assert every["models"]["round_02/checkpoint.pth"] == straight("early", backend)["models"]["round_02/checkpoint.pth"]


def test_masks_of_the_dense_training_nest_and_cost_one_run(straight, backend, tmp_path):
    layout = run(tmp_path, backend, **STOP["dense_bird"])
    assert Mask.load(layout.mask(2)).is_subset(Mask.load(layout.mask(1)))
    stop = int(snapshot.metadata(layout.stopped(layout.round(0)))["steps"])
    rows = Ledger(layout.ledger).rows
    assert stop < 30 and [(row["steps"], row["search_steps"]) for row in rows[1:]] == [(30, stop)] * 2


def test_rigls_gradient_is_that_of_all_weights_and_passes(backend):
    """Over two backward passes the watched gradient is the dense one; the kept one stays masked."""
    network = backend().network()
    mask = Mask({"2.weight": torch.rand(12, 16) < 0.3})
    mask.apply_(network)
    inputs = [torch.randn(5, 6) for _ in range(2)]
    with hooks.attach(network, mask) as handle:
        for _ in range(2):  # the second time from cleared gradients, while still watching
            network.zero_grad()
            handle.watch(True)
            for one in inputs:
                network(one).square().sum().backward()
            watched, masked = handle.gradient()["2.weight"], network[2].weight.grad.clone()
        network.zero_grad()  # cleared without a step, as after an infinite gradient
        for one in inputs:
            network(one).square().sum().backward()
        again = handle.gradient()["2.weight"]
    network.zero_grad()
    for one in inputs:
        network(one).square().sum().backward()
    torch.testing.assert_close(watched, network[2].weight.grad)
    torch.testing.assert_close(again, network[2].weight.grad)
    torch.testing.assert_close(masked, network[2].weight.grad * mask["2.weight"])


@pytest.mark.parametrize("changes, said", [
    ({"within": "gradual", "granularity": "2:4", "schedule": "densities",
      "schedule_conf": {"densities": [0.75, 0.5]}}, "passes densities that granularity: 2:4 cannot give"),
    ({"within": "rigl", "granularity": "2:4"}, "granularity: 2:4 with within: rigl.*take granularity: weight"),
    ({"within": "gradual", "within_conf": {"end": "40it"}}, "the density would not be reached: take end: 30it"),
    ({"within": "rigl", "within_conf": {"every": "40it"}}, "take every: 1it to"),
    ({"within": "rigl", "criterion": "taylor"}, "criterion: taylor with within: rigl would do nothing"),
    ({"within": "gradual", "criterion": "snip"}, "take criterion: magnitude"),
    ({"within": "rigl", "restart": "fresh"}, "restart: fresh with within: rigl would do nothing: take restart: rewind"),
    ({"within": "rigl", "prune_from": "init"}, "prune_from: init with within: rigl would do nothing"),
    ({"within": "set", "stop": "early"}, "stop: early with within: set would do nothing: leave stop out"),
    ({"within_conf": {"end": 0.5}}, "within_conf: without within"), ({"stop_conf": {"after": 0.5}}, "without stop"),
    ({"full_rounds": "all"}, "full_rounds: without stop"), ({"within": "regal"}, "unknown name 'regal'"),
    ({"stop": "early", "prune_from": "average"}, "take prune_from: last"),
    ({"stop": "early", "restart": "finetune"}, "take restart: rewind"),
    ({"stop": "early_bird", "criterion": "fisher"}, "take criterion: magnitude, or stop: early"),
    ({"stop": "early_bird", "stop_conf": {"window": 6}}, "take at most 5"),
    ({"stop": "early", "full_rounds": [3]}, "full_rounds: 3 is not a round"),
    ({"stop": "early", "full_rounds": "some"}, "choose from last, all"),
    ({"within": "gradual", "within_conf": {"end": 0.95, "retrain": False}, "averaged": 3},
     "1 end with the last mask, and 3 models are averaged .*take an end of at most 20it"),
])
def test_nonsense_is_refused_before_any_training(backend, tmp_path, changes, said):
    changes = dict(changes)
    averaged = changes.pop("averaged", 1)

    class Untrained(backend):
        def train(self, run, options):
            pytest.fail("trained")

        def length(self):
            return replace(super().length(), averaged=averaged)

    with pytest.raises(LotteryError, match=said):
        search(tmp_path / "exp", replace(PLAIN, **changes), Untrained())


def test_a_search_whose_masks_depend_on_the_number_of_rounds_does_not_go_on_for_more(backend, tmp_path):
    run(tmp_path, backend, **WITHIN["gradual"])
    with pytest.raises(LotteryError, match="begun with rounds: 2, not 3"):
        search(tmp_path, replace(PLAIN, **WITHIN["gradual"], rounds=3), backend())


def _rank(rank: int, folder: str, kind: type) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/init", rank=rank, world_size=2)
    network = kind().network()
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    session = begin(f"{folder}/exp/round_01/search.json", f"{folder}/exp/round_01", network, [optimizer], rank == 0)
    wrapped = DistributedDataParallel(network)
    session.resume(0, 0)
    torch.manual_seed(rank)
    for step in range(1, 9):
        wrapped(torch.randn(16, 6)).square().mean().backward()
        optimizer.step()
        session.stepped(step)
        assert session.mask.violations(network) == {}
        optimizer.zero_grad()
    torch.save([session.mask.digest(), network.state_dict()], f"{folder}/{rank}.pth")
    ranks.leave()
    end(0)


def test_two_ranks_hold_the_same_mask(backend, tmp_path):
    """RigL's gradients are of all ranks' data, though each sees its own before they are averaged."""

    class Planned(backend):
        def train(self, run, options):
            if run.name == "round_01":
                raise KeyboardInterrupt
            super().train(run, options)

    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "exp", replace(PLAIN, **WITHIN["rigl"]), Planned())
    mp.spawn(_rank, (str(tmp_path), backend), nprocs=2)
    (one, model), (other, same) = (torch.load(tmp_path / f"{rank}.pth", weights_only=True) for rank in range(2))
    assert one == other != Mask.load(tmp_path / "exp/round_01/masks/epoch_000.safetensors").digest()
    assert snapshot.digests(model) == snapshot.digests(same)
