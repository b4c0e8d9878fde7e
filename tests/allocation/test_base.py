"""Budgets name every tensor once and sum to the count; shares are exact."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.allocation import Budget, Request, allocations, share
from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask


def options(name: str, mask: Mask, folder) -> dict:
    mask.save(folder / "m.safetensors")
    return {"copied": {"mask": str(folder / "m.safetensors")}}.get(name, {})


def left_over(mask):
    """As if all weights had scores that fall along the network: later ones go first."""
    def select(names, count):
        left = {name: mask.kept_per_tensor[name] for name in names}
        for name in reversed(names):
            gone = min(count, left[name])
            left[name] -= gone
            count -= gone
        return left
    return select


def test_global_is_one_group_in_network_order():
    mask = Mask({"b": torch.ones(3, dtype=torch.bool), "a": torch.ones(2, dtype=torch.bool)})
    assert allocations.get("global")()(Request(mask, 4)) == [Budget(("b", "a"), 4)]


@pytest.mark.parametrize("name", list(allocations))
@pytest.mark.parametrize("count", [0, 1, 11, 60, 75])
def test_sums_and_covers(name, count, tmp_path):
    generator = torch.Generator().manual_seed(1)
    mask = Mask({str(n): torch.rand(4, n + 1, generator=generator) < 0.7 for n in range(7)})
    assert mask.kept > 75
    allocation = allocations.get(name)(**options(name, mask, tmp_path))
    budgets = allocation(Request(mask, count, select=left_over(mask)))
    if allocation.carries:
        assert sum(budget.count for budget in budgets) == count
    assert sorted(n for budget in budgets for n in budget.names) == sorted(mask)
    for budget in budgets:
        assert 0 <= budget.count <= sum(mask.kept_per_tensor[n] for n in budget.names)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(LotteryError, match="allocation: unknown name 'gobal': choose one of .*global"):
        allocations.get("gobal")


@pytest.mark.parametrize("total, weights, capacity, shares", [
    (10, [1, 1], [10, 10], [5, 5]),
    (10, [1, 1, 1], [10, 10, 10], [4, 3, 3]),  # equal remainders: the first
    (10, [3, 1, 1], [4, 10, 10], [4, 3, 3]),  # full at 4, the other six halved
    (5, [2, 1, 1], [9, 9, 9], [3, 1, 1]),  # 2.5, 1.25, 1.25
    (3, [0, 0], [2, 2], [2, 1]),
    (0, [1, 1], [0, 0], [0, 0]),
])
def test_shares_by_hand(total, weights, capacity, shares):
    names = "abc"[: len(weights)]
    found = share(total, dict(zip(names, weights, strict=True)), dict(zip(names, capacity, strict=True)))
    assert list(found.values()) == shares and list(found) == list(names)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=8), st.data())
def test_shares_sum_exactly_and_fit(pairs, data):
    weights, capacity = ({str(n): pair[side] for n, pair in enumerate(pairs)} for side in (0, 1))
    total = data.draw(st.integers(0, sum(capacity.values())))
    found = share(total, weights, capacity)
    assert sum(found.values()) == total and all(0 <= found[name] <= capacity[name] for name in found)


def test_too_much_to_share():
    with pytest.raises(ValueError, match="more than all"):
        share(3, {"a": 1}, {"a": 2})
