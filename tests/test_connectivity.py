"""Interpolation, barriers and batch norm statistics, against hand-computed values."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from audio_lottery.connectivity import barrier, has_batch_norm, interpolate, points, reestimate
from audio_lottery.errors import LotteryError

FIRST = {"w": torch.tensor([0.0, 4.0]), "n": torch.tensor(3)}
SECOND = {"w": torch.tensor([2.0, 0.0]), "n": torch.tensor(7)}


def test_a_quarter_of_the_way():
    found = interpolate(FIRST, SECOND, 0.25)
    assert found["w"].tolist() == [0.5, 3.0] and found["n"] == 3


def test_the_ends_are_the_models_bit_for_bit():
    torch.manual_seed(0)
    first, second = ({"w": torch.randn(1000)} for _ in range(2))
    assert torch.equal(interpolate(first, second, 0.0)["w"], first["w"])
    assert torch.equal(interpolate(first, second, 1.0)["w"], second["w"])


@pytest.mark.parametrize("other", [{"w": torch.zeros(3), "n": torch.tensor(0)}, {"n": torch.tensor(0)},
                                   {**SECOND, "more": torch.zeros(1)}])
def test_other_architectures_are_refused(other):
    with pytest.raises(LotteryError, match="the line runs between models of one architecture"):
        interpolate(FIRST, other, 0.5)


def test_points_and_barriers():
    assert points(3) == [0.0, 0.5, 1.0]
    assert barrier([1.0, 7.0, 3.0]) == 5.0
    assert barrier([1.0, 1.5, 3.0]) == 1.0  # the higher end itself
    assert barrier([0.9, 0.5, 0.7], larger_is_worse=False) == pytest.approx(0.3)


@given(st.lists(st.floats(0, 100), min_size=2, max_size=9))
def test_a_barrier_is_never_negative_and_the_direction_does_not_count(errors):
    assert barrier(errors) >= 0
    assert barrier(errors) == barrier(errors[::-1])
    assert barrier([-one for one in errors], larger_is_worse=False) == barrier(errors)


def test_batch_norm_statistics_are_the_means_over_batches():
    model = nn.Sequential(nn.BatchNorm1d(1), nn.Dropout(0.5))
    model[0].running_mean.fill_(99)
    batches = [torch.tensor([[0.0], [2.0]]), torch.tensor([[4.0], [10.0]])]
    assert has_batch_norm(model) and not has_batch_norm(nn.LayerNorm(2))
    reestimate(model, batches, lambda network, batch: network(batch))
    assert model[0].running_mean.item() == pytest.approx((1 + 7) / 2)
    assert model[0].running_var.item() == pytest.approx((2 + 18) / 2)  # unbiased, as torch keeps them
    assert model[0].momentum == 0.1 and not model[0].training and not model[1].training
