"""A pruning step: nested masks, exact counts, the smallest weights, whatever the shapes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from audio_lottery.criteria import criteria, needs_data, needs_start
from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask
from audio_lottery.pruning import prune
from audio_lottery.schedule import count_to_prune
from audio_lottery.scope import find_scope

SHAPES = st.lists(st.lists(st.integers(1, 6), max_size=4), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(shapes=SHAPES, rate=st.sampled_from(["0.2", 0.5, 0.05, "0.99", 1 / 3]), ties=st.booleans(),
       seed=st.integers(0, 10**6), criterion=st.sampled_from(sorted(set(criteria) - needs_data - needs_start)))
def test_rounds_nest_and_counts_are_exact(shapes, rate, ties, seed, criterion):
    generator = torch.Generator().manual_seed(seed)
    names = [f"t{n}" for n in range(len(shapes))]
    mask = Mask.ones({n: torch.empty(s) for n, s in zip(names, shapes, strict=True)}, names)
    for number in range(4):
        weights = {n: torch.randn(s, generator=generator) for n, s in zip(names, shapes, strict=True)}
        if ties:
            weights = {n: tensor.round() for n, tensor in weights.items()}
        mask.apply_(weights)
        smaller = prune(weights, mask, rate, criterion, seed=number)
        assert smaller.is_subset(mask) and list(smaller) == names
        assert mask.kept - smaller.kept == count_to_prune(mask.kept, rate)
        if criterion == "magnitude":
            gone = [weights[n][mask[n] & ~smaller[n]].abs().flatten() for n in names]
            left = [weights[n][smaller[n]].abs().flatten() for n in names]
            if torch.cat(gone).numel() and torch.cat(left).numel():
                assert torch.cat(gone).max() <= torch.cat(left).min()
        mask = smaller


def test_all_equal_weights_go_in_network_order():
    weights = {"b": torch.ones(4), "a": -torch.ones(2, 3)}
    mask = prune(weights, Mask.ones(weights, weights), 0.5)
    assert mask["b"].tolist() == [False] * 4
    assert mask["a"].tolist() == [[False, True, True], [True, True, True]]


def test_one_weight():
    weights = {"a": torch.ones(())}
    ones = Mask.ones(weights, weights)
    assert prune(weights, ones, 0.5).kept == 1  # half of one, rounded to even, is none
    assert prune(weights, ones, 0.9).kept == 0


def test_pruned_zeros_do_not_count_again_but_remaining_zeros_do():
    weights = {"a": torch.tensor([0.0, 0.0, 0.5, 1.0, 2.0])}
    mask = Mask({"a": torch.tensor([False, True, True, True, True])})
    assert prune(weights, mask, 0.5)["a"].tolist() == [False, False, False, True, True]


def test_takes_a_model_and_leaves_it_alone():
    torch.manual_seed(0)
    net = nn.LSTM(6, 5, num_layers=2, bidirectional=True)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    mask = prune(net, Mask.ones(net, find_scope(net)), 0.2)
    assert mask.kept == mask.numel - count_to_prune(mask.numel, 0.2)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert min(mask.densities.values()) < max(mask.densities.values())  # global, not per tensor


def test_same_choice_as_torch_prune():
    from torch.nn.utils import prune as torch_prune

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(50, 40), nn.Linear(40, 30))
    mask = prune(net, Mask.ones(net, ["0.weight", "1.weight"]), 0.2)
    pairs = [(layer, "weight") for layer in net]
    torch_prune.global_unstructured(pairs, torch_prune.L1Unstructured, amount=0.2)
    for n in range(2):
        assert torch.equal(mask[f"{n}.weight"], net[n].weight_mask.bool())


def test_bad_input():
    weights = {"a": torch.tensor([1.0, float("nan"), 2.0])}
    ones = Mask.ones(weights, weights)
    with pytest.raises(LotteryError, match="a: NaN among its scores"):
        prune(weights, ones, 0.5)
    with pytest.raises(LotteryError, match="criterion: unknown name 'magnitud': choose one of"):
        prune(weights, ones, 0.5, criterion="magnitud")
    with pytest.raises(LotteryError, match="allocation: unknown name"):
        prune(weights, ones, 0.5, allocation="here")
    for criterion in ("snip", "movement"):
        with pytest.raises(LotteryError, match="use it in a search"):
            prune(weights, ones, 0.5, criterion)
    with pytest.raises(LotteryError, match="a: the mask has shape"):
        prune({"a": torch.ones(2)}, ones, 0.5)
