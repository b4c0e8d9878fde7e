"""GraSP: keep the weights whose loss would cost gradient flow (Wang et al., ICLR 2020).

The paper's S(-w) = -w (H g) is the change of the gradient flow when w goes; the weights with the highest S
are pruned. The lowest scores go first here, so the score is ``w (H g)``. H g is taken as a central
difference of gradients along g, since the CTC loss has no second derivative in torch. Of the paper's
softmax temperature nothing is done: recognisers' losses have none.
"""

import torch
from torch import Tensor

from audio_lottery.criteria import gradients
from audio_lottery.criteria.base import Evidence, criteria, needs_data

needs_data.add("grasp")
# The step, as a fraction of the weights' norm: between float32's rounding and the loss's curvature.
STEP = 1e-3


@criteria.register("grasp")
def grasp(name: str, evidence: Evidence) -> Tensor:
    """Float64 scores, negative for weights whose removal lowers the gradient flow."""
    product = evidence.once("hessian gradient product", lambda: _product(evidence))[name]
    return evidence.weights[name].detach().double() * product


@torch.no_grad()
def _product(evidence: Evidence) -> dict[str, Tensor]:
    calibration = evidence.data("grasp")
    weights = gradients.parameters(evidence, calibration)
    direction = _gradient(evidence, calibration)
    length = _norm(direction)
    if not length:
        return direction
    step = STEP * _norm(weights) / length
    before = {name: weight.clone() for name, weight in weights.items()}
    sides = []
    for sign in (1, -1):
        for name, weight in weights.items():
            weight.copy_(before[name] + sign * step * direction[name])
        sides.append(_gradient(evidence, calibration))
        for name, weight in weights.items():
            weight.copy_(before[name])
    return {name: (sides[0][name] - sides[1][name]) / (2 * step) for name in weights}


@torch.enable_grad()
def _gradient(evidence: Evidence, calibration) -> dict[str, Tensor]:
    return gradients.mean(evidence, calibration)


def _norm(tensors: dict[str, Tensor]) -> float:
    return float(sum(tensor.double().square().sum() for tensor in tensors.values())) ** 0.5
