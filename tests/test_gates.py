"""Gates of recurrent matrices as tensors of their own: exact counts, nested masks, thresholds of their own."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from audio_lottery import gates, granularity, shares, snapshot
from audio_lottery.allocation import allocations
from audio_lottery.config import LotteryConfig
from audio_lottery.config_file import load
from audio_lottery.criteria import Evidence
from audio_lottery.errors import LotteryError
from audio_lottery.invariants import check_masks
from audio_lottery.layout import Layout
from audio_lottery.mask import Mask
from audio_lottery.pruning import prune_to
from audio_lottery.rounds import search
from audio_lottery.scope import ScopeConfig, find_scope


class Network(nn.Module):
    """A bidirectional LSTM with a projection, a GRU, a plain RNN (no gates) and a linear layer."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(5, 6, num_layers=2, bidirectional=True, proj_size=2)
        self.gru, self.rnn, self.out = nn.GRU(4, 3), nn.RNN(3, 3), nn.Linear(3, 7)

    def forward(self, x):
        return self.out(self.rnn(self.gru(self.lstm(x)[0])[0])[0])


def network() -> Network:
    torch.manual_seed(0)
    return Network()


def blocks(model):
    return gates.blocks_of({name: tensor.kind for name, tensor in find_scope(model).items()})


def bound(model, grain="weight"):
    shapes = {name: tensor.shape for name, tensor in find_scope(model).items()}
    return granularity.bind(granularity.parse(grain), shapes, model, blocks(model))


def pruned(model, keep, grain="weight", allocation="global", criterion="magnitude", mask=None, **conf):
    selector = bound(model, grain)
    weights = dict(model.named_parameters())
    mask = mask or Mask.ones(model, selector.names)
    evidence = Evidence.of(weights, mask, seed=3)
    return prune_to(keep, mask, evidence, criterion, allocations.make(allocation, conf), selector)


def test_every_layer_and_direction_has_its_gates():
    found = blocks(network())
    directions = [f"_l{layer}{suffix}" for layer in range(2) for suffix in ("", "_reverse")]
    matrices = [f"lstm.weight_{part}{where}" for where in directions for part in ("ih", "hh")]
    assert set(found) == {*matrices, "gru.weight_ih_l0", "gru.weight_hh_l0"}
    assert found["lstm.weight_hh_l1_reverse"] == tuple(f"lstm.weight_hh_l1_reverse.{gate}" for gate in "ifgo")
    assert found["gru.weight_ih_l0"] == tuple(f"gru.weight_ih_l0.{gate}" for gate in "rzn")


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_the_blocks_are_the_gates_that_torch_computes(kind):
    """With one gate's input, recurrent weights and biases set, the cell does what that gate alone does."""
    model = nn.LSTM(1, 1) if kind == "lstm" else nn.GRU(1, 1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        tensors = dict(model.named_parameters())
        if kind == "lstm":  # output gate open, cell input 1: the state is sigmoid(0) tanh(1) after the input gate
            gates.part(tensors, "weight_ih_l0.g").fill_(1.0)
            gates.part(tensors, "weight_ih_l0.o").fill_(50.0)
            expected = torch.tanh(torch.sigmoid(torch.zeros(())) * torch.tanh(torch.ones(())))
        else:  # the update gate z: h = (1 - z) n
            gates.part(tensors, "weight_ih_l0.n").fill_(1.0)
            gates.part(tensors, "weight_ih_l0.z").fill_(-50.0)
            expected = torch.tanh(torch.ones(()))
        torch.testing.assert_close(model(torch.ones(1, 1))[0].squeeze(), expected)


def test_splitting_and_joining_gives_the_tensors_back():
    model = network()
    tensors = {name: tensor.detach() for name, tensor in model.named_parameters()}
    parts = gates.split(tensors, blocks(model))
    assert sum(part.numel() for part in parts.values()) == sum(tensor.numel() for tensor in tensors.values())
    joined = gates.join(parts, tensors, blocks(model))
    assert list(joined) == list(tensors) and all(torch.equal(joined[name], tensors[name]) for name in tensors)
    assert all(torch.equal(gates.part(tensors, name), part) for name, part in parts.items())
    for name in ("lstm.weight_ih_l0.x", "lstm.weight_ih_l9.i", "nothing"):
        with pytest.raises(KeyError):
            gates.part(tensors, name)


@settings(max_examples=25, deadline=None)
@given(grain=st.sampled_from(["weight", "row", "column", "2x2", "3x1"]), seed=st.integers(0, 99),
       allocation=st.sampled_from(["global", "uniform", "erk", "layerwise"]),
       criterion=st.sampled_from(["magnitude", "random"]))
def test_rounds_nest_and_counts_are_exact(grain, seed, allocation, criterion):
    model, mask = Network(), None
    selector = bound(model, grain)
    torch.manual_seed(seed)
    for density in (0.6, 0.3):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.normal_()
        numel = sum(model.get_parameter(name).numel() for name in selector.names)
        smaller = pruned(model, round(density * numel), grain, allocation, criterion, mask)
        assert mask is None or smaller.is_subset(mask)
        assert abs(smaller.kept - round(density * numel)) <= selector.slack()
        assert selector.broken(smaller) == [] and list(smaller) == list(selector.names)
        mask = smaller


def test_uniform_is_uniform_over_gates_and_keeps_the_largest_of_each():
    model = network()
    with torch.no_grad():  # without gates, the large cell gate would take all
        gates.part(dict(model.named_parameters()), "lstm.weight_hh_l0.g").mul_(100)
    mask = pruned(model, find_numel(model) // 2, allocation="uniform")
    parts = gates.split(mask, blocks(model))
    weights = gates.split({name: tensor.detach() for name, tensor in model.named_parameters()}, blocks(model))
    for name, kept in parts.items():
        assert abs(int(kept.sum()) - kept.numel() / 2) <= 1, name
        if not kept.all():
            assert weights[name].abs()[kept].min() >= weights[name].abs()[~kept].max()


def find_numel(model) -> int:
    return sum(tensor.numel for tensor in find_scope(model).values())


def test_erk_and_bounds_see_gates():
    model = network()
    mask = pruned(model, find_numel(model) // 4, allocation="erk")
    units = [int(part.sum()) / sum(part.shape) for part in gates.split(mask, blocks(model)).values()]
    assert max(units) - min(units) < 2 / 5  # kept weights in proportion to rows + columns, 5 or more, to a weight
    keep = find_numel(model) // 2
    mask = pruned(model, keep, allocation="bounded", minimum={r"lstm.*\.f$": 1.0}, maximum={r"lstm.*\.o$": 0.25})
    for name, part in gates.split(mask, blocks(model)).items():
        if name.startswith("lstm.weight_ih"):
            assert not name.endswith(".f") or part.all()
            assert not name.endswith(".o") or part.float().mean() <= 0.25


def test_one_threshold_is_the_same_with_and_without_gates():
    model = network()
    names = list(find_scope(model))
    evidence = Evidence.of(model, Mask.ones(model, names))
    plain = prune_to(100, Mask.ones(model, names), evidence, "magnitude", allocations.make("global", {}))
    assert pruned(model, 100) == plain
    scores = {name: model.get_parameter(name).detach().abs() for name in names}
    ones = {name: torch.ones_like(score, dtype=torch.bool) for name, score in scores.items()}
    assert Mask(bound(model).select(scores, sum(s.numel() for s in scores.values()) - 100, ones)) == plain


def test_the_densities_of_a_ticket_are_copied_gate_by_gate(tmp_path):
    model = network()
    ticket = pruned(model, 150)
    ticket.save(tmp_path / "m.safetensors")
    selector = bound(model)
    ones = Mask.ones(model, selector.names)
    copied = allocations.make("copied", {"mask": str(tmp_path / "m.safetensors")})
    shuffled = prune_to(150, ones, Evidence.of(model, ones), "random", copied, selector)
    assert shuffled != ticket
    kept = [{name: int(part.sum()) for name, part in gates.split(mask, blocks(model)).items()}
            for mask in (ticket, shuffled)]
    assert kept[0] == kept[1]


class Backend:
    """Ten steps on a fixed task."""

    def network(self):
        return network()

    def settings(self):
        return {}

    def scope(self):
        return list(find_scope(network(), ScopeConfig(gates=True)))

    def train(self, round_folder, options):
        model = network()
        if "init" in options:
            snapshot.load_into(model, options["init"])
        else:
            snapshot.save(options["theta0"], model.state_dict(), {})
        if "mask" in options:
            Mask.load(options["mask"]).apply_(model)
        snapshot.save(round_folder / "final.safetensors", model.state_dict(), {})

    def weights(self, round_folder, source):
        return snapshot.load(round_folder / "final.safetensors")

    def facts(self, round_folder):
        return {"epochs": 1, "steps": 10}


@pytest.mark.parametrize(("grain", "allocation"), [("weight", "uniform"), ("2x1", "uniform"), ("row", "uniform"),
                                                   ("1:2", "uniform"), ("row", "even")])
def test_a_search_keeps_whole_tensors_in_its_files_and_its_check_holds(tmp_path, grain, allocation):
    config = replace(LotteryConfig(), rounds=1, rate=0.5, granularity=grain, scope=ScopeConfig(gates=True),
                     allocation=allocation)
    search(tmp_path, config, Backend())
    layout = Layout(tmp_path)
    mask = Mask.load(layout.mask(1))
    assert list(mask) == list(find_scope(network())) and list(check_masks(layout)) == []
    if grain == "2x1":  # the check can fail
        name = "gru.weight_hh_l0"
        cut = mask[name].clone()
        row = int(cut.any(1).nonzero()[0])
        cut[row, int(cut[row].nonzero()[0])] = False
        Mask({**mask, name: cut}).save(layout.mask(1))
        assert any("cuts a group" in found for found in check_masks(layout))


def test_a_search_of_an_older_version_goes_on(tmp_path):
    config = replace(LotteryConfig(), rounds=1, rate=0.5)
    search(tmp_path, config, Backend())
    path = Layout(tmp_path).config
    path.write_text("".join(line for line in path.read_text().splitlines(True) if "gates" not in line))
    search(tmp_path, config, Backend())
    with pytest.raises(LotteryError, match="was begun with scope"):
        search(tmp_path, replace(config, scope=ScopeConfig(gates=True)), Backend())


def test_tables_by_gate():
    model = network()
    mask = pruned(model, 150)
    found = shares.of_model(model, ScopeConfig(gates=True), mask)
    rows = {row.name: row for row in found.by_tensor}
    cell = mask["lstm.weight_hh_l1_reverse"].chunk(4)[2]
    assert rows["lstm.weight_hh_l1_reverse.g"].kept == int(cell.sum())
    assert rows["lstm.weight_hh_l1_reverse.g"].weights == cell.numel()
    assert "lstm.weight_hr_l0" in rows and "rnn.weight_hh_l0" in rows
    kinds = {row.name: row for row in found.by_kind}
    assert {"lstm_input.i", "lstm_recurrent.f", "gru_recurrent.n", "lstm_projection"} <= set(kinds)
    assert kinds["lstm_input.i"].tensors == 4
    plain = shares.of_model(model, ScopeConfig(), mask)
    for one, other in ((found.scope, plain.scope), (found.whole, plain.whole)):
        assert (one.weights, one.share, one.kept) == (other.weights, other.share, other.kept)
    assert found.by_module == [replace(row, tensors=other.tensors)
                               for row, other in zip(plain.by_module, found.by_module, strict=True)]
    assert [row.name for row in plain.by_tensor] == list(mask)


def test_refused():
    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.h, self.rnn = 2, nn.GRU(4, 4)
            self.linear_q, self.linear_k, self.linear_v, self.linear_out = (nn.Linear(4, 4) for _ in range(4))

    with pytest.raises(LotteryError, match="scope.gates: granularity head does not go by the rows of a gate"):
        bound(nn.ModuleDict({"a": Attention()}), "head")
    with pytest.raises(LotteryError, match="scope.gates: no LSTM or GRU matrix is in scope"):
        find_scope(nn.Sequential(nn.Linear(2, 2)), ScopeConfig(gates=True))
    with pytest.raises(LotteryError, match="scope.gates: 3 is not true or false"):
        load(None, "--scope.gates 3")
    assert load(None, "--scope.gates true").scope.gates
