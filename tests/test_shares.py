"""Shares by hand."""

import torch
from torch import nn

from audio_lottery import shares
from audio_lottery.mask import Mask
from audio_lottery.scope import ScopeConfig


class Net(nn.Module):
    """Two blocks, an output layer and a matrix of its own."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.ModuleDict({"encoders": nn.ModuleList([nn.Linear(2, 3), nn.Linear(3, 2)])})
        self.ctc_lo = nn.Linear(2, 4)
        self.own = nn.Parameter(torch.zeros(2, 5))


def test_module_of():
    assert shares.module_of("encoder.encoders.3.feed_forward.w_1.weight") == "encoder.encoders.3"
    assert shares.module_of("encoder.embed.out.weight") == "encoder.embed"
    assert shares.module_of("ctc.ctc_lo.weight") == "ctc.ctc_lo"
    assert shares.module_of("weight_ih_l0") == "weight_ih_l0"


def test_model_with_and_without_a_mask():
    found = shares.of_model(Net(), ScopeConfig())
    assert (found.whole.weights, found.scope.weights, found.scope.kept) == (39, 12, 12)
    assert [row.name for row in found.by_module] == ["encoder.encoders.0", "encoder.encoders.1"]
    assert {row.name: row.weights for row in found.outside} == {"unknown": 10, "bias": 9, "output": 8}
    assert found.unknown == {"own": (2, 5)}
    mask = Mask({"encoder.encoders.0.weight": torch.tensor([[True, False]] * 3)})
    found = shares.of_model(Net(), ScopeConfig(), mask)
    assert (found.scope.weights, found.scope.kept, found.scope.density) == (6, 3, 0.5)
    assert (found.whole.kept, found.scope.share) == (36, 6 / 39)
    assert {row.name: row.tensors for row in found.outside}["excluded"] == 1


def test_mask_alone():
    found = shares.of_mask(Mask({"a.b.weight": torch.tensor([True, False])}))
    assert found.whole is None and found.by_kind == []
    row = found.by_module[0]
    assert (row.name, row.density, row.share) == ("a.b", 0.5, None)
