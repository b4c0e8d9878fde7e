"""Overlap and sign changes by hand."""

import pytest
import torch

from audio_lottery.analysis import overlap, sign_changes
from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask


def mask(**tensors) -> Mask:
    return Mask({name: torch.tensor(values, dtype=torch.bool) for name, values in tensors.items()})


def test_overlap_by_hand():
    first, second = mask(a=[1, 1, 0, 0], b=[1, 0]), mask(a=[1, 0, 1, 0], b=[1, 1])
    whole, (a, b) = overlap(first, second)
    assert (a.name, a.numel, a.first, a.second, a.both, a.by_chance) == ("a", 4, 2, 2, 1, 1.0)
    assert a.jaccard == a.jaccard_by_chance == 1 / 3 and a.above_chance == 0
    assert (b.both, b.by_chance, b.jaccard) == (1, 1.0, 0.5)
    assert (whole.name, whole.numel, whole.both, whole.by_chance) == (None, 6, 2, 2.0)
    assert whole.jaccard == 2 / 5


def test_equal_and_disjoint_masks():
    one, other = mask(a=[1, 1, 0, 0]), mask(a=[0, 0, 1, 1])
    assert overlap(one, one)[0].jaccard == 1 and overlap(one, one)[0].above_chance == 1
    assert overlap(one, other)[0].jaccard == 0 and overlap(one, other)[0].above_chance == -1
    nothing = mask(a=[0, 0, 0, 0])
    assert overlap(nothing, nothing)[0].jaccard == 1


def test_random_masks_overlap_by_chance():
    generator = torch.Generator().manual_seed(0)
    first, second = (Mask({str(n): torch.rand(300, 200, generator=generator) < 0.1 * n for n in range(1, 6)})
                     for _ in range(2))
    whole, tensors = overlap(first, second)
    assert whole.jaccard == pytest.approx(whole.jaccard_by_chance, abs=0.005)
    assert abs(whole.above_chance) < 0.01 and len(tensors) == 5


def test_sign_changes_by_hand():
    before, after = {"a": torch.tensor([1.0, -1, 0, 2, -3])}, {"a": torch.tensor([-1.0, -2, 1, 2, 3])}
    assert sign_changes(mask(a=[1, 1, 1, 1, 0]), before, after) == {"a": (2, 4)}


def test_masks_of_different_scopes():
    with pytest.raises(LotteryError, match="b: only in one of the masks"):
        overlap(mask(a=[1]), mask(a=[1], b=[1]))
    with pytest.raises(LotteryError, match="a: "):
        overlap(mask(a=[1]), mask(a=[1, 0]))
