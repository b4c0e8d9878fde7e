"""Densities are counted."""

import torch

from audio_lottery.zeros import count


def test_only_zeros_in_scope_are_missing():
    weights = {"a.weight": torch.tensor([[0.0, 1, 2], [0, -0.0, 3]]), "b.weight": torch.ones(2, 2)}
    weights["b.bias"] = torch.zeros(4)
    counts = count(weights, ["a.weight", "b.weight"])
    assert (counts.numel_whole, counts.numel_scope, counts.kept_scope, counts.nonzero_whole) == (14, 10, 7, 11)
    assert counts.density_scope == 0.7
    assert counts.density_whole == 11 / 14
    assert count(weights, []).density_whole == 1
