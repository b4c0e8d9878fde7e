"""Magnitude by hand."""

import torch

from audio_lottery.criteria import Evidence, criteria


def test_absolute_values():
    weight = torch.nn.Parameter(torch.tensor([[-2.0, 0.5], [-0.0, 1.0]]))
    scores = criteria.get("magnitude")("a", Evidence({"a": weight}))
    assert scores.tolist() == [[2.0, 0.5], [0.0, 1.0]] and not scores.requires_grad
    assert weight.tolist() == [[-2.0, 0.5], [0.0, 1.0]]
