"""Data-driven criteria against cases computed by hand."""

import pytest
import torch
from torch import nn

from audio_lottery.criteria import Calibration, Evidence, criteria, needs_data
from audio_lottery.errors import LotteryError

# y = w x with w = [2, -1]; the loss is the mean of y² over the batch's rows.
BATCHES = [torch.tensor([[1.0, 0.0], [1.0, 2.0]]), torch.tensor([[0.0, 1.0]])]


def evidence(model: nn.Module, batches=BATCHES, **more) -> Evidence:
    weights = {name: parameter for name, parameter in model.named_parameters() if name.endswith("weight")}
    calibration = Calibration(
        model, lambda: iter(batches), lambda: (batch[n : n + 1] for batch in batches for n in range(len(batch))),
        lambda net, batch: net(batch).square().mean(), lambda net: net(torch.ones(1, batches[0].shape[1]).double()))
    return Evidence(weights, calibration=calibration, **more)


def linear(values=(2.0, -1.0)) -> nn.Linear:
    layer = nn.Linear(2, 1, bias=False)
    layer.weight.data.copy_(torch.tensor([values]))
    return layer


def scores(name: str, given: Evidence, tensor: str = "weight") -> list:
    return criteria.get(name)(tensor, given).squeeze().tolist()


def test_snip():
    # Gradients 2 y x: batch one, rows y = 2 and 0: ([4, 0] + [0, 0]) / 2 = [2, 0]; batch two, y = -1: [0, -2].
    # Mean [1, -1]; |g w| = [2, 1].
    assert scores("snip", evidence(linear())) == [2.0, 1.0]


def test_taylor():
    # (2 * 2)² + 0 = 16 and 0 + (-2 * -1)² = 4
    assert scores("taylor", evidence(linear())) == [16.0, 4.0]


def test_fisher():
    # Squared gradients of the utterances: [16, 0], [0, 0], [0, 4], mean [16, 4] / 3; times w² / 2 = [2, 0.5].
    assert scores("fisher", evidence(linear())) == pytest.approx([32 / 3, 2 / 3])


def test_grasp():
    # The mean loss has the Hessian H = mean of 2 x xᵀ: batch one [[2, 2], [2, 4]], batch two [[0, 0], [0, 2]];
    # mean [[1, 1], [1, 3]]. g = H w = [1, -1]; H g = [0, -2]; w (H g) = [0, 2].
    layer = linear()
    assert scores("grasp", evidence(layer)) == pytest.approx([0.0, 2.0], abs=1e-3)
    assert layer.weight.tolist() == [[2.0, -1.0]]


def test_synflow():
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.LayerNorm(2), nn.Linear(2, 1, bias=False))
    net[0].weight.data.copy_(torch.tensor([[1.0, -2.0], [3.0, 4.0]]))
    net[2].weight.data.copy_(torch.tensor([[5.0, -6.0]]))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    given = evidence(net)
    given = Evidence({name: given.weights[name] for name in ("0.weight", "2.weight")}, calibration=given.calibration)
    # R = |w2| |w1| 1; the score of w1[i, j] is |w2[i]| |w1[i, j]|, of w2[i] it is |w2[i]| sum |w1[i]|.
    assert scores("synflow", given, "0.weight") == [[5.0, 10.0], [18.0, 24.0]]
    assert scores("synflow", given, "2.weight") == [15.0, 42.0]
    assert all(torch.equal(before[name], value) and value.dtype == torch.float32
               for name, value in net.state_dict().items())
    assert net(torch.rand(1, 2)).dtype == torch.float32


class Gated(nn.Module):
    """A GLU between two layers, as in a Conformer's convolution module."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(2, 8), nn.Linear(4, 1)

    def forward(self, x):
        return self.second(nn.functional.glu(1000 * self.first(x)))


def test_synflow_refuses_gates_that_saturate():
    """Their half has no score at all and would be pruned first, whatever it is worth."""
    given = evidence(Gated())
    with pytest.raises(LotteryError, match="no flow reaches 4 of the 8 outputs of first.weight, behind gates"):
        criteria.get("synflow")("first.weight", given)
    alone = Evidence({"second.weight": given.weights["second.weight"]}, calibration=given.calibration)
    assert criteria.get("synflow")("second.weight", alone).all()


def test_synflow_scores_zero_where_all_that_follows_is_pruned():
    net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False))
    net[0].weight.data.copy_(torch.tensor([[1.0, -2.0], [3.0, 4.0]]))
    net[1].weight.data.copy_(torch.tensor([[5.0, 0.0]]))
    assert scores("synflow", evidence(net), "0.weight") == [[5.0, 10.0], [0.0, 0.0]]


def test_wanda():
    # Norms of the inputs over all rows: sqrt(1 + 1 + 0), sqrt(0 + 4 + 1).
    assert scores("wanda", evidence(linear())) == pytest.approx([2 * 2**0.5, 5**0.5])


def test_wanda_of_convolutions():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv1d(4, 6, 3, groups=2), nn.Conv1d(6, 2, 1))
    batch = torch.randn(2, 4, 9)
    given = evidence(net, [batch])
    inner = net[0](batch)
    first, second = criteria.get("wanda")("0.weight", given), criteria.get("wanda")("1.weight", given)
    # Output 4 is in the second group: its inputs are channels 2 and 3.
    assert torch.allclose(first[4, 1], net[0].weight[4, 1].abs().double() * batch[:, 3].norm().double(), rtol=1e-5)
    assert torch.allclose(second[1, 5], net[1].weight[1, 5].abs().double() * inner[:, 5].norm().double(), rtol=1e-5)
    assert first.shape == net[0].weight.shape


def test_movement():
    # Plain gradient descent with small steps: the sum of -lr g w over the steps.
    w = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
    start, total = w.clone(), torch.zeros(3, dtype=torch.float64)
    for _ in range(20000):
        gradient = torch.stack([w[0], w[1] * -0.5, w[2] - 1])
        total += -1e-4 * gradient * w
        w = w - 1e-4 * gradient
    found = criteria.get("movement")("a", Evidence({"a": w}, start={"a": start}))
    assert torch.allclose(found, total, atol=1e-3)
    assert found[0] < 0 < found[1]


@pytest.mark.parametrize("name", sorted(needs_data))
def test_same_scores_again_and_the_model_left_alone(name):
    layer = linear()
    given = evidence(layer)
    first = criteria.get(name)("weight", given)
    assert first.shape == layer.weight.shape and torch.equal(first, criteria.get(name)("weight", given))
    assert torch.equal(first, criteria.get(name)("weight", evidence(linear())))
    assert layer.weight.tolist() == [[2.0, -1.0]] and layer.weight.grad is None


@pytest.mark.parametrize("name", sorted(needs_data))
def test_without_data_they_are_refused(name):
    with pytest.raises(LotteryError, match=f"{name} scores on data"):
        criteria.get(name)("weight", Evidence({"weight": torch.ones(2)}))


def test_bad_data():
    with pytest.raises(LotteryError, match="no batch to score on"):
        scores("snip", Evidence({"weight": linear().weight},
                                calibration=Calibration(linear(), list, list, None, None)))
    with pytest.raises(LotteryError, match="the loss of a batch is nan"):
        scores("taylor", evidence(linear(), [torch.full((1, 2), float("nan"))]))
    dead = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 1, bias=False))
    dead[1].weight.data.zero_()
    with pytest.raises(LotteryError, match="synflow: no flow reaches 0.weight"):
        criteria.get("synflow")("0.weight", evidence(dead))
    lstm = nn.Sequential(nn.LSTM(2, 2))
    with pytest.raises(LotteryError, match="wanda: 0.weight_ih_l0 is not of a Linear layer"):
        criteria.get("wanda")("0.weight_ih_l0", Evidence({"0.weight_ih_l0": lstm[0].weight_ih_l0},
                                                         calibration=evidence(lstm).calibration))
