"""Groups go whole, counts are as near as groups allow, and each granularity by hand."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from audio_lottery import granularity
from audio_lottery.allocation import allocations
from audio_lottery.criteria import Evidence
from audio_lottery.errors import LotteryError
from audio_lottery.granularity.groups import Groups
from audio_lottery.granularity.n_of_m import check_density
from audio_lottery.mask import Mask
from audio_lottery.pruning import prune, prune_to


class Attention(nn.Module):
    def __init__(self, size=4, heads=2):
        super().__init__()
        self.h = heads
        self.linear_q, self.linear_k, self.linear_v = (nn.Linear(size, size) for _ in range(3))
        self.linear_pos, self.linear_out = nn.Linear(size, size, bias=False), nn.Linear(size, size)


class FeedForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.w_1, self.w_2 = nn.Linear(4, 6), nn.Linear(6, 4)


class Convolution(nn.Module):
    def __init__(self):
        super().__init__()
        self.pointwise_conv1 = nn.Conv1d(4, 8, 1)
        self.depthwise_conv = nn.Conv1d(4, 4, 3, groups=4)
        self.pointwise_conv2 = nn.Conv1d(4, 4, 1)


class Layer(nn.ModuleDict):
    def __init__(self):
        super().__init__({"att": Attention(), "ff": FeedForward(), "conv": Convolution()})


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(1, 4, 3)
        self.stack = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))  # no layers that could go
        self.layers = nn.ModuleList(Layer() for _ in range(2))


def bound(text: str, network: nn.Module):
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters() if name.endswith("weight")}
    return granularity.parse(text).bind(shapes, network)


def pruned(text: str, network: nn.Module, keep: int) -> Mask:
    selector = bound(text, network)
    ones = Mask.ones(network, selector.names)
    return prune_to(keep, ones, Evidence.of(network, ones), "magnitude", allocations.get("global")(), selector)


def one_matrix(values) -> nn.Linear:
    values = torch.tensor(values, dtype=torch.float32)
    layer = nn.Linear(values.shape[1], values.shape[0], bias=False)
    layer.weight.data.copy_(values)
    return layer


def test_blocks_by_hand():
    layer = one_matrix([[1, 9, 5], [1, 9, 5], [8, 0, 2]])
    # 2x2 blocks: means 5 and 5 above, 4 and 2 below; the corners are smaller.
    mask = pruned("2x2", layer, 6)["weight"]
    assert mask.tolist() == [[True, True, True], [True, True, True], [False, False, False]]
    assert pruned("2x2", layer, 8)["weight"].tolist() == [[True] * 3, [True] * 3, [True, True, False]]


def test_rows_and_columns_by_hand():
    layer = one_matrix([[1, 9, 5], [1, 9, 4], [8, 0, 2]])
    assert pruned("row", layer, 6)["weight"].all(1).tolist() == [True, True, False]
    assert pruned("column", layer, 3)["weight"].all(0).tolist() == [False, True, False]


def test_rows_of_a_convolution_are_its_output_channels():
    layer = nn.Conv2d(2, 3, 3)
    layer.weight.data.fill_(1.0)[1] = 0.1
    mask = pruned("row", layer, 36)["weight"]
    assert mask.flatten(1).all(1).tolist() == [True, False, True] and mask.sum() == 36


def test_n_of_m_by_hand():
    layer = one_matrix([[1, 2, 3, 4, 5], [4, 4, 4, 4, 9]])
    # Two of four, the higher ones, ties from the left; the last group of one keeps ceil(2 / 4) = 1.
    mask = pruned("2:4", layer, 6)["weight"]
    assert mask.tolist() == [[False, False, True, True, True], [False, False, True, True, True]]


def test_n_of_m_goes_down_round_by_round():
    torch.manual_seed(0)
    layer = nn.Linear(16, 3, bias=False)
    selector = bound("1:4", layer)
    mask = Mask.ones(layer, ["weight"])
    for k in (3, 2, 1):
        smaller = prune_to(12 * k, mask, Evidence.of(layer, mask), "magnitude", allocations.get("global")(), selector)
        assert smaller.kept == 12 * k and smaller.is_subset(mask) and selector.broken(smaller) == []
        assert (smaller["weight"].view(3, 4, 4).sum(-1) == k).all()
        mask = smaller
    with pytest.raises(LotteryError, match="1:4 cannot give density 0.1042: the nearest that it can is 0.25"):
        prune_to(5, mask, Evidence.of(layer, mask), "magnitude", allocations.get("global")(), selector)


def test_a_head_is_rows_of_query_key_value_position_and_columns_of_the_output():
    torch.manual_seed(0)
    network = Network()
    with torch.no_grad():
        for part in ("q", "k", "v", "pos"):
            getattr(network.layers[1]["att"], f"linear_{part}").weight[2:] *= 1e-3
        network.layers[1]["att"].linear_out.weight[:, 2:] *= 1e-3
    mask = pruned("head", network, 2 * 5 * 16 - 40)
    assert mask.kept == 120 and len(mask) == 10
    weak = {name: tensor for name, tensor in mask.items() if name.startswith("layers.1")}
    for name, tensor in weak.items():
        kept = tensor if "linear_out" not in name else tensor.T
        assert kept[:2].all() and not kept[2:].any(), name


def test_a_feed_forward_channel_is_a_row_and_a_column():
    torch.manual_seed(0)
    network = Network()
    mask = pruned("ffn_channel", network, 2 * 48 - 3 * 8)
    assert mask.kept == 72 and set(mask) == {f"layers.{n}.ff.w_{k}.weight" for n in (0, 1) for k in (1, 2)}
    for n in (0, 1):
        assert torch.equal(mask[f"layers.{n}.ff.w_1.weight"].all(1), mask[f"layers.{n}.ff.w_2.weight"].all(0))


def test_a_convolution_channel_takes_both_glu_halves():
    torch.manual_seed(0)
    network = Network()
    with torch.no_grad():
        conv = network.layers[0]["conv"]
        conv.pointwise_conv1.weight[[1, 5]] = 1e-3
        conv.depthwise_conv.weight[1] = 1e-3
        conv.pointwise_conv2.weight[:, 1] = 1e-3
    mask = pruned("conv_channel", network, 36 + 2 * (32 + 12 + 16) - 15)
    assert not mask["layers.0.conv.pointwise_conv1.weight"][[1, 5]].any()
    assert not mask["layers.0.conv.depthwise_conv.weight"][1].any()
    assert not mask["layers.0.conv.pointwise_conv2.weight"][:, 1].any()
    assert mask.numel - mask.kept == 15 and "embed.weight" in mask


def test_whole_layers():
    torch.manual_seed(0)
    network = Network()
    with torch.no_grad():
        for parameter in network.layers[0].parameters():
            parameter *= 1e-3
    size = sum(p.numel() for n, p in network.layers[0].named_parameters() if n.endswith("weight"))
    mask = pruned("layer", network, size)
    assert mask.kept == size and all(tensor.all() == name.startswith("layers.1") for name, tensor in mask.items())


@settings(max_examples=80, deadline=None)
@given(text=st.sampled_from(["weight", "1x4", "4x1", "8x1", "16x1", "4x4", "3x2", "row", "column", "head",
                             "ffn_channel", "conv_channel", "layer"]),
       allocation=st.sampled_from(["global", "uniform", "even", "erk", "layerwise", "bounded"]),
       seed=st.integers(0, 99), densities=st.lists(st.floats(0.05, 0.99), min_size=1, max_size=3))
def test_masks_nest_groups_stay_whole_counts_are_near(text, allocation, seed, densities):
    torch.manual_seed(seed)
    network = Network()
    selector = bound(text, network)
    mask = Mask.ones(network, selector.names)
    numel = mask.numel
    for number, density in enumerate(sorted(densities, reverse=True), 1):
        smaller = prune_to(round(numel * density), mask, Evidence.of(network, mask), "magnitude",
                           allocations.get(allocation)(), selector, number) if numel * density < mask.kept else mask
        assert smaller.is_subset(mask) and list(smaller) == list(mask)
        assert selector.broken(smaller) == []
        if allocation in ("global", "uniform"):
            assert abs(smaller.kept - min(round(numel * density), mask.kept)) <= selector.slack()
        mask = smaller


@pytest.mark.parametrize("density", [0.9, 0.6, 0.5, 0.3])
def test_even_keeps_as_many_channels_in_each_layer(density):
    torch.manual_seed(0)
    network = Network()
    selector = bound("ffn_channel", network)
    mask = Mask.ones(network, selector.names)
    smaller = prune_to(round(mask.numel * density), mask, Evidence.of(network, mask), "magnitude",
                       allocations.get("even")(), selector)
    kept = {sum(smaller.kept_per_tensor[name] for name in unit) for unit in selector.units}
    assert len(kept) == 1 and len(selector.units) > 1


def test_one_by_one_blocks_are_single_weights():
    torch.manual_seed(0)
    network = Network()
    selector = bound("1x1", network)
    ones = Mask.ones(network, selector.names)
    keep = prune(network, ones, 0.3).kept
    assert pruned("1x1", network, keep) == prune(network, ones, 0.3)


def test_groups_are_written_and_read(tmp_path):
    groups = bound("head", Network())
    groups.save(tmp_path / "groups.safetensors")
    read = Groups.load(tmp_path / "groups.safetensors")
    assert read.count == groups.count == 4 and set(map(frozenset, read.units)) == set(map(frozenset, groups.units))
    mask = pruned("head", Network(), 120)
    assert read.broken(mask) == [] and read.slack() == 20
    cut = dict(mask)
    cut["layers.0.att.linear_q.weight"] = torch.rand(4, 4) < 0.5
    assert "layers.0.att.linear_q.weight" in read.broken(cut)


def test_nan_is_refused():
    layer = one_matrix([[1, float("nan")], [1, 2]])
    for text in ("row", "1:2"):
        with pytest.raises(LotteryError, match="weight: NaN among its scores"):
            pruned(text, layer, 2)


@pytest.mark.parametrize("text, said", [
    ("heads", "unknown name 'heads': choose one of .*head.* or write blocks as 8x1"), ("0x4", "take 1x4"),
    ("4:4", "keeps all or nothing: take 3:4"), ("0:4", "take 1:4"), ("x", "unknown name"),
])
def test_bad_names(text, said):
    with pytest.raises(LotteryError, match=said):
        granularity.parse(text)


def test_heads_under_their_other_name():
    network = Network()
    for layer in network.layers:
        layer["att"].num_heads = layer["att"].h
        del layer["att"].h
    assert bound("head", network).count == 4


def test_heads_that_do_not_divide():
    network = Network()
    network.layers[0]["att"].h = 3
    with pytest.raises(LotteryError, match="layers.0.att: 4 does not divide by 3 heads: take 2 heads"):
        bound("head", network)


def test_a_model_without_heads():
    with pytest.raises(LotteryError, match="no head in scope"):
        bound("head", nn.Linear(3, 3))


def test_densities_of_n_of_m():
    check_density("2:4", Fraction(3, 4))
    check_density("2:4", Fraction(1, 2))
    with pytest.raises(LotteryError, match="2:4 cannot give density 0.2000: the nearest that it can is 0.5"):
        check_density("2:4", Fraction(1, 5))
    with pytest.raises(LotteryError, match="density 0.8000: the nearest that it can is 0.75"):
        check_density("2:4", Fraction(4, 5))


def test_thirds_are_written_as_decimals():
    """What an error names as the nearest density is one that can be had."""
    with pytest.raises(LotteryError, match="1:3 cannot give density 0.3000: the nearest that it can is 0.333333"):
        check_density("1:3", Fraction(3, 10))
    check_density("1:3", Fraction("0.333333"))
    check_density("1:3", Fraction("0.6667"))
    torch.manual_seed(0)
    layer = nn.Linear(300, 40, bias=False)
    selector, ones = bound("1:3", layer), Mask.ones(layer, ["weight"])
    for allocation in ("global", "uniform"):
        mask = prune_to(round(12000 * 0.3333), ones, Evidence.of(layer, ones), "magnitude",
                        allocations.get(allocation)(), selector)
        assert mask.kept == 4000 and (mask["weight"].view(40, 100, 3).sum(-1) == 1).all()
        assert abs(mask.kept - round(12000 * 0.3333)) <= selector.slack()
    with pytest.raises(LotteryError, match="density 0.5001"):
        check_density("2:4", Fraction("0.5001"))
