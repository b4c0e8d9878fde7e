"""The scope holds the matrices of every layer and direction, and nothing else unless asked."""

import pytest
import torch
from torch import nn

from audio_lottery.errors import LotteryError
from audio_lottery.scope import ScopeConfig, classify, find_scope, unknown_tensors


def kinds(model: nn.Module, **options) -> dict[str, str]:
    return {name: tensor.kind for name, tensor in find_scope(model, ScopeConfig(**options)).items()}


class RelPositionMultiHeadedAttention(nn.Module):
    """The parameters of ESPnet's class of this name."""

    def __init__(self):
        super().__init__()
        self.linear_q = nn.Linear(8, 8)
        self.linear_pos = nn.Linear(8, 8, bias=False)
        self.pos_bias_u = nn.Parameter(torch.zeros(2, 4))
        self.pos_bias_v = nn.Parameter(torch.zeros(2, 4))


class Small(nn.Module):
    """One of everything that ESPnet's encoders and decoders hold."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(5, 8)
        self.self_attn = RelPositionMultiHeadedAttention()
        self.norm = nn.LayerNorm((2, 8))
        self.pointwise = nn.Conv1d(8, 16, 1)
        self.depthwise = nn.Conv1d(16, 16, 3, groups=16)
        self.plain = nn.Conv1d(16, 8, 3)
        self.sub = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.BatchNorm2d(4))
        self.ctc_lo = nn.Linear(8, 5)
        self.own = nn.Parameter(torch.zeros(3, 4))
        self.scale = nn.Parameter(torch.zeros(3))


def test_defaults_in_network_order():
    assert kinds(Small()) == {
        "self_attn.linear_q.weight": "attention",
        "self_attn.linear_pos.weight": "position",
        "pointwise.weight": "conv1d_pointwise",
        "depthwise.weight": "conv1d_depthwise",
        "plain.weight": "conv1d",
        "sub.0.weight": "conv2d",
    }
    order = [name for name, _ in Small().named_parameters()]
    assert list(find_scope(Small())) == [name for name in order if name in find_scope(Small())]


def test_shapes_and_sizes():
    tensor = find_scope(Small())["depthwise.weight"]
    assert (tensor.shape, tensor.numel) == ((16, 1, 3), 48)


def test_why_the_others_are_out():
    found = classify(Small())
    assert found["embed.weight"] == "embedding"
    assert found["norm.weight"] == found["norm.bias"] == "norm"
    assert found["self_attn.pos_bias_u"] == found["scale"] == "bias"
    assert found["ctc_lo.weight"] == "output"
    assert found["own"] == "unknown"
    assert set(found) == {name for name, _ in Small().named_parameters()}


def test_unknown_matrices_are_reported_and_can_be_named():
    assert unknown_tensors(Small()) == {"own": (3, 4)}
    assert kinds(Small(), include=("own",)) == {"own": "other"}
    assert "own" in kinds(Small(), include=(".*",))
    assert "own" not in kinds(Small(), include=("o", "plain"))


@pytest.mark.parametrize("module, gates", [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_recurrent_layers_and_directions(module, gates, bidirectional):
    net = module(6, 5, num_layers=3, bidirectional=bidirectional)
    found = find_scope(net)
    assert len(found) == 3 * 2 * (1 + bidirectional)
    kind = module.__name__.lower()
    assert found["weight_ih_l2"].kind == f"{kind}_input"
    assert found["weight_hh_l2"].kind == f"{kind}_recurrent"
    assert found["weight_hh_l1"].shape == (gates * 5, 5)
    assert ("weight_hh_l2_reverse" in found) == bidirectional


def test_lstm_projection_and_cells():
    found = kinds(nn.LSTM(6, 8, 2, proj_size=4))
    assert found["weight_hr_l1"] == "lstm_projection"
    assert kinds(nn.LSTMCell(3, 4)) == {"weight_ih": "lstm_input", "weight_hh": "lstm_recurrent"}
    assert kinds(nn.GRUCell(3, 4)) == {"weight_ih": "gru_input", "weight_hh": "gru_recurrent"}


def test_torch_attention_and_transposed_convolution():
    joint = kinds(nn.MultiheadAttention(8, 2))
    assert joint == {"in_proj_weight": "attention", "out_proj.weight": "attention"}
    separate = kinds(nn.MultiheadAttention(8, 2, kdim=4, vdim=6))
    assert set(separate) == {"q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight"}
    assert kinds(nn.ConvTranspose1d(4, 2, 3)) == {"weight": "conv1d_transposed"}


def test_output_layer_when_asked():
    assert kinds(Small(), output_layer=True)["ctc_lo.weight"] == "output"
    assert "plain.weight" in kinds(Small(), output_patterns=(r"^plain\.",), output_layer=True)
    assert "plain.weight" not in kinds(Small(), output_patterns=(r"^plain\.",))


def test_include_and_exclude():
    assert set(kinds(Small(), include=("self_attn", "plain"), exclude=("pos",))) == {
        "self_attn.linear_q.weight", "plain.weight"}
    assert set(kinds(Small(), include=(r"\.bias$", "plain"))) == {"plain.weight"}  # biases never


def test_tied_tensors_appear_once():
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 4))
    net[2].weight = net[0].weight
    assert list(find_scope(net)) == ["0.weight", "1.weight"]
    # Patterns see all names of a tied tensor.
    assert list(find_scope(net, ScopeConfig(exclude=(r"^2\.",)))) == ["1.weight"]


@pytest.mark.parametrize("embedding_first", [True, False])
def test_tensor_tied_to_an_embedding_is_an_embedding(embedding_first):
    embedding, linear, other = nn.Embedding(5, 4), nn.Linear(4, 5), nn.Linear(4, 4)
    linear.weight = embedding.weight
    net = nn.Sequential(*([embedding, linear] if embedding_first else [linear, embedding]), other)
    assert list(find_scope(net, ScopeConfig(output_layer=True))) == ["2.weight"]


def test_output_tied_to_an_inner_layer_stays_out():
    net = nn.ModuleDict({"a": nn.Linear(4, 4), "ctc_lo": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
    net["ctc_lo"].weight = net["a"].weight
    assert list(find_scope(net)) == ["b.weight"]


@pytest.mark.parametrize("options, words", [
    ({"include": ("(",)}, "include pattern '\\(' is not a regular expression"),
    ({"exclude": ("*",)}, "exclude pattern '\\*' is not a regular expression"),
    ({"output_patterns": ("[",)}, "output pattern '\\[' is not a regular expression"),
    ({"include": ("plain", "nothing_like_it")}, "include pattern 'nothing_like_it' matches no parameter"),
    ({"include": ("norm",)}, "nothing is in scope"),
    ({"include": ("ctc_lo",)}, "output_layer False"),
    ({"exclude": (".",)}, "nothing is in scope"),
])
def test_bad_patterns(options, words):
    with pytest.raises(LotteryError, match=words) as caught:
        find_scope(Small(), ScopeConfig(**options))
    assert "\n" not in str(caught.value)


def test_model_without_matrices():
    with pytest.raises(LotteryError, match="nothing is in scope"):
        find_scope(nn.LayerNorm(4))
