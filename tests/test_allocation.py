"""Budgets name every tensor once and sum to the count."""

import pytest
import torch

from audio_lottery.allocation import Budget, allocations
from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask


def test_global_is_one_group_in_network_order():
    mask = Mask({"b": torch.ones(3, dtype=torch.bool), "a": torch.ones(2, dtype=torch.bool)})
    assert allocations.get("global")(mask, 4) == [Budget(("b", "a"), 4)]


@pytest.mark.parametrize("name", list(allocations))
def test_sums_and_covers(name):
    mask = Mask({str(n): torch.rand(4, n + 1) < 0.7 for n in range(7)})
    budgets = allocations.get(name)(mask, 11)
    assert sum(budget.count for budget in budgets) == 11
    assert sorted(n for budget in budgets for n in budget.names) == sorted(mask)


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(LotteryError, match="allocation: unknown name 'gobal': choose one of .*global"):
        allocations.get("gobal")
