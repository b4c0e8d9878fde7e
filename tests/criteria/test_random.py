"""Random scores depend on the seed and the name alone."""

import torch

from audio_lottery.criteria import Evidence, criteria
from audio_lottery.mask import Mask
from audio_lottery.pruning import prune

random = criteria.get("random")


def test_same_seed_and_name_same_scores():
    weights = {"a": torch.randn(30, 20), "b": torch.randn(30, 20)}
    first = random("a", Evidence(weights, 1))
    assert torch.equal(first, random("a", Evidence({"a": torch.zeros(30, 20)}, 1)))
    assert not torch.equal(first, random("a", Evidence(weights, 2)))
    assert not torch.equal(first, random("b", Evidence(weights, 1)))
    assert 0 <= first.min() and first.max() < 1 and abs(float(first.mean()) - 0.5) < 0.05


def test_global_random_state_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    random("a", Evidence({"a": torch.zeros(5)}, 1))
    assert torch.equal(torch.rand(3), expected)


def test_random_pruning_is_about_uniform_over_tensors():
    weights = {str(n): torch.randn(100, 100) * 10**n for n in range(3)}
    mask = prune(weights, Mask.ones(weights, weights), 0.5, criterion="random", seed=3)
    assert all(0.46 < density < 0.54 for density in mask.densities.values())
