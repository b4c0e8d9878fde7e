"""Counting multiply-accumulates of any torch module."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from audio_lottery.metrics.products import count_products


def count(module: nn.Module, *inputs: torch.Tensor):
    return count_products(module, lambda: module(*inputs))[0]


def independent(module: nn.Module, *inputs: torch.Tensor) -> int:
    """torch's own counter, of operators below the ones ours sees."""
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), torch.backends.mkldnn.flags(enabled=False), counter:
        module(*inputs)
    return counter.get_total_flops() // 2


def test_linear_by_hand():
    layer = nn.Linear(5, 7)
    with torch.no_grad():
        layer.weight.zero_()
        layer.weight[0, :3] = 1
    products = count(layer, torch.zeros(2, 4, 5))
    assert (products.dense, products.sparse) == (8 * 35, 8 * 3)
    tensor = products.tensors["weight"]
    assert (tensor.numel, tensor.nonzero, tensor.dense, tensor.sparse) == (35, 3, 280, 24)
    assert products.uncounted == ()


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Conv1d(6, 8, 3, stride=2, padding=1), (2, 6, 11)),
        (nn.Conv1d(6, 12, 5, groups=3), (2, 6, 11)),
        (nn.Conv1d(6, 6, 15, padding=7, groups=6), (1, 6, 30)),
        (nn.Conv2d(1, 4, 3, stride=2), (2, 1, 20, 9)),
        (nn.ConvTranspose1d(6, 4, 3, stride=2), (2, 6, 11)),
        (nn.Sequential(nn.Linear(6, 3), nn.ReLU(), nn.LayerNorm(3), nn.Linear(3, 2, bias=False)), (4, 6)),
        (nn.LSTM(6, 5, num_layers=3, bidirectional=True, batch_first=True), (2, 7, 6)),
        (nn.LSTM(6, 5, proj_size=3), (7, 2, 6)),
        (nn.GRU(6, 5, num_layers=2), (7, 2, 6)),
        (nn.LSTMCell(6, 5), (4, 6)),
        (nn.GRUCell(6, 5), (4, 6)),
    ],
    ids=lambda value: repr(value)[:40].split("(")[0] if isinstance(value, nn.Module) else None,
)
def test_layers_agree_with_torchs_counter(module, shape):
    values = torch.zeros(shape)
    products = count(module, values)
    assert products.dense == products.sparse == independent(module, values)
    assert products.uncounted == ()


def test_packed_input_counts_the_frames_that_are_there():
    layer = nn.LSTM(6, 5, bidirectional=True, batch_first=True)
    packed = nn.utils.rnn.pack_padded_sequence(torch.zeros(2, 9, 6), torch.tensor([9, 4]), batch_first=True)
    assert count(layer, packed).dense == 13 * 2 * (4 * 5 * 6 + 4 * 5 * 5)


class Attention(nn.Module):
    """Single-head attention written in several ways, all of the same cost."""

    def __init__(self, size: int, way: str):
        super().__init__()
        self.query, self.keys = nn.Linear(size, size), nn.Parameter(torch.ones(size, size))
        self.bias = nn.Parameter(torch.ones(1, size))
        self.way = way

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, keys = self.query(x) + self.bias, x @ self.keys.t()
        if self.way == "sdpa":
            return nn.functional.scaled_dot_product_attention(query, keys, x)
        if self.way == "einsum":
            return torch.einsum("bts,bsd->btd", torch.einsum("btd,bsd->bts", query, keys), x)
        if self.way == "bmm":
            return torch.bmm(query.bmm(keys.transpose(1, 2)), x)
        return torch.matmul(torch.matmul(query, keys.mT), x)


@pytest.mark.parametrize("way", ["sdpa", "einsum", "bmm", "matmul"])
def test_attention_is_split_into_weights_and_activations(way):
    module, x = Attention(6, way), torch.zeros(3, 10, 6)
    with torch.no_grad():
        module.keys[:, 0] = 0
    products = count(module, x)
    assert products.activations == 3 * 2 * 10 * 10 * 6
    assert products.weights_dense == 2 * 30 * 36
    assert products.weights_sparse == 30 * 36 + 30 * 30
    assert products.uncounted == ("bias",)


def test_what_is_not_known_is_reported():
    attention = nn.MultiheadAttention(8, 2)
    assert count(attention, *[torch.zeros(3, 1, 8)] * 3).uncounted == ("in_proj_weight",)
    matrix = torch.ones(3, 3)
    products, _ = count_products(attention, lambda: torch.einsum("...i,ij->...j", matrix, matrix))
    assert products.uncounted == ("einsum ...i,ij->...j",)


def test_a_part_of_a_weight_and_a_tied_weight_are_known():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.out = nn.Embedding(8, 4), nn.Linear(4, 8, bias=False)
            self.out.weight = self.embed.weight

        def forward(self, labels):
            hidden = self.embed(labels)
            return self.out(hidden), nn.functional.linear(hidden, self.out.weight[:2])

    module = Tied()
    with torch.no_grad():
        module.embed.weight.fill_(1)[0] = 0
    products = count(module, torch.tensor([1, 2, 3]))
    assert (products.dense, products.sparse) == (3 * (32 + 8), 3 * (28 + 4))
    assert products.activations == 0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.integers(0, 99))
def test_sparse_counts_scale_exactly_with_each_tensor(densities, seed):
    model = nn.Sequential(nn.Linear(6, 9), nn.Linear(9, 4), nn.LSTM(4, 5))
    generator = torch.Generator().manual_seed(seed)
    matrices = [parameter for parameter in model.parameters() if parameter.ndim == 2]
    with torch.no_grad():
        for weight, density in zip(matrices, densities, strict=True):
            weight.copy_(torch.rand(weight.shape, generator=generator) < density)
    products = count(model, torch.zeros(11, 6))
    assert products.sparse == sum(11 * int(weight.count_nonzero()) for weight in matrices)
    assert products.dense == sum(11 * weight.numel() for weight in matrices)


def test_counting_leaves_the_model_as_it_was():
    model = nn.Sequential(nn.Linear(3, 3), nn.LSTM(3, 3))
    count(model, torch.zeros(2, 3))
    assert all(not module._forward_hooks for module in model.modules())
    assert model.training
    model(torch.zeros(2, 3))[0].sum().backward()
    assert model[0].weight.grad is not None
