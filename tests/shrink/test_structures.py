"""Structures by hand: what constant units add, what is left, and networks that compute the same."""

import pytest
import torch
from torch import nn

from audio_lottery.errors import LotteryError
from audio_lottery.shrink import remove, resize, structures
from audio_lottery.shrink.tensors import take


class FeedForward(nn.Module):
    def __init__(self, size=3, channels=4, activation=None):
        super().__init__()
        self.w_1, self.w_2 = nn.Linear(size, channels), nn.Linear(channels, size)
        self.activation = activation or nn.SiLU()

    def forward(self, x):
        return self.w_2(self.activation(self.w_1(x)))


class Attention(nn.Module):
    def __init__(self, heads=3, width=2, size=6):
        super().__init__()
        self.h, self.d_k = heads, width
        for part in ("q", "k", "v"):
            setattr(self, f"linear_{part}", nn.Linear(size, heads * width))
        self.linear_out = nn.Linear(heads * width, size)

    def forward(self, x):
        q, k, v = (getattr(self, f"linear_{part}")(x).view(len(x), -1, self.h, self.d_k).transpose(1, 2)
                   for part in "qkv")
        scores = (q @ k.transpose(-2, -1) / self.d_k**0.5).softmax(-1)
        return self.linear_out((scores @ v).transpose(1, 2).flatten(2))


class Convolution(nn.Module):
    def __init__(self, channels=4, size=4):
        super().__init__()
        self.pointwise_conv1 = nn.Conv1d(size, 2 * channels, 1)
        self.depthwise_conv = nn.Conv1d(channels, channels, 3, padding=1, groups=channels)
        self.norm = nn.BatchNorm1d(channels)
        self.activation = nn.SiLU()
        self.pointwise_conv2 = nn.Conv1d(channels, size, 1)

    def forward(self, x):
        x = nn.functional.glu(self.pointwise_conv1(x.transpose(1, 2)), dim=1)
        return self.pointwise_conv2(self.activation(self.norm(self.depthwise_conv(x)))).transpose(1, 2)


class Block(nn.Module):
    normalize_before = True

    def __init__(self, size=6):
        super().__init__()
        self.self_attn, self.feed_forward = Attention(size=size), FeedForward(size, 5)
        self.norm1, self.norm2 = nn.LayerNorm(size), nn.LayerNorm(size)

    def forward(self, x):
        x = x + self.self_attn(self.norm1(x))
        return x + self.feed_forward(self.norm2(x))


class RelPositionalEncoding(nn.Module):
    xscale = 4.0

    def forward(self, x):
        return x * self.xscale


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def silence(network, *names) -> None:
    for name in names:
        nn.init.zeros_(network.get_parameter(name))


def only(network):
    """The one structure of a network."""
    found, = structures(network.eval())
    return found


def same(network, x, before) -> None:
    assert torch.allclose(network.eval()(x), before, atol=1e-6)


def test_a_channel_without_input_is_folded_into_the_bias():
    network = FeedForward(1, 2, nn.ReLU())
    for name, values in {"w_1.weight": [[0.0], [1.0]], "w_1.bias": [2.0, 0.0], "w_2.weight": [[3.0, 5.0]],
                         "w_2.bias": [1.0]}.items():
        network.get_parameter(name).copy_(torch.tensor(values))
    found = only(network)
    # Channel 0 is relu(2), times 3: 6 more in the bias.
    assert found.alive.tolist() == [False, True] and network.w_2.bias.tolist() == [7.0]
    found.cut(1)
    assert network.w_1.weight.tolist() == [[1.0]] and network.w_2.weight.tolist() == [[5.0]]
    assert network(torch.tensor([[4.0]])).item() == 27.0


def test_channels_that_nobody_reads_go_with_their_bias():
    network, x = FeedForward(), torch.randn(2, 5, 3)
    network.w_2.weight[:, [0, 2]] = 0
    before, found = network(x), only(network)
    assert found.alive.tolist() == [False, True, False, True]
    found.cut(3)
    same(network, x, before)
    assert network.w_1.out_features == 3 and network.w_1.weight[2].tolist() == [0, 0, 0]


def test_heads_are_removed_or_widened():
    network, x = Attention(), torch.randn(2, 5, 6)
    network.linear_out.weight[:, 2:4] = 0  # nobody reads head 1
    network.linear_v.weight[4:6] = 0  # head 2 says its bias
    before, found = network(x), only(network)
    assert found.alive.tolist() == [True, False, False]
    found.cut(2, width=3)
    assert (network.h, network.d_k) == (2, 3) and network.linear_q.weight.shape == (6, 6)
    same(network, x, before)
    only(network).cut(1)
    assert network.linear_out.weight.shape == (6, 3)
    same(network, x, before)


def test_convolution_channels():
    network, x = Convolution(), torch.randn(2, 9, 4)
    network.norm.running_mean.normal_()
    network.norm.running_var.uniform_(0.5, 2)
    network.norm.bias.normal_()
    network.depthwise_conv.weight[1] = 0
    network.pointwise_conv2.weight[:, 3] = 0
    before, found = network.eval()(x), only(network)
    assert found.alive.tolist() == [True, False, True, False]
    found.cut(2)
    assert network.pointwise_conv1.weight.shape == (4, 4, 1) and network.depthwise_conv.groups == 2
    same(network, x, before)


def test_a_norm_over_channels_needs_all_of_them():
    network = Convolution()
    network.norm = nn.GroupNorm(1, 4)
    assert structures(network) == []


def test_layers_that_add_a_constant_hand_it_to_the_one_before():
    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Sequential(nn.Linear(6, 6), nn.Dropout(), RelPositionalEncoding())
            self.blocks = nn.Sequential(*(Block() for _ in range(4)))

        def forward(self, x):
            return self.blocks(self.embed(x))

    network, x = Network().eval(), torch.randn(2, 5, 6)
    for number in (0, 2):
        silence(network.blocks[number], "self_attn.linear_out.weight", "feed_forward.w_2.weight")
    before = network(x)
    assert remove(network.blocks, network.embed) == [0, 2] and len(network.blocks) == 2
    same(network, x, before)


def test_one_layer_always_stays_and_the_first_one_where_nothing_before_it_can_add():
    blocks = nn.Sequential(Block(), Block())
    for block in blocks:
        silence(block, "self_attn.linear_out.weight", "feed_forward.w_2.weight")
    assert remove(blocks, None) == [1] and len(blocks) == 1
    blocks = nn.Sequential(Block(), Block())
    blocks[0].norm_final = nn.LayerNorm(6)
    silence(blocks[0], "self_attn.linear_out.weight", "feed_forward.w_2.weight")
    assert remove(blocks, None) == []


def test_a_network_is_resized_to_a_shrunk_state():
    network, fresh, x = Block(), Block(), torch.randn(2, 5, 6)
    network.feed_forward.w_2.weight[:, 1:3] = 0
    found = {one.path: one for one in structures(network)}["feed_forward"]
    found.cut(3)
    resize(fresh, {"feed_forward": 3}).load_state_dict(network.state_dict())
    assert torch.equal(fresh(x), network(x))


@pytest.mark.parametrize("sizes", [{"norm1": 2}, {"nothing": 1}, {"feed_forward": 0}, {"feed_forward": 6},
                                   {"feed_forward": "2"}])
def test_sizes_that_do_not_fit(sizes):
    with pytest.raises(LotteryError, match="this model has no such part to shrink"):
        resize(Block(), sizes)


def test_take_fills_up_with_zeros():
    assert take(torch.tensor([1.0, 2, 3]), 0, torch.tensor([2, 0]), 3).tolist() == [3, 1, 0]
