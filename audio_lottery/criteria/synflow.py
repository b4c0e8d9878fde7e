"""SynFlow: ``|w dR/dw|``, R the summed outputs of the network of absolute weights for an input of ones.

Tanaka et al., Pruning neural networks without any data by iteratively conserving synaptic flow, NeurIPS
2020, algorithm 1. Norm layers are passed by, so that the flow is conserved through them. The
paper prunes in 100 steps with the scores taken anew (criterion_conf: iterations), which keeps it from
emptying a layer. Softmax attention and the gates of recurrent layers saturate at such inputs and let no flow
through: queries, keys and positions have to be left out of the scope, and recurrent networks are refused.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from audio_lottery.criteria import gradients
from audio_lottery.criteria.base import Evidence, criteria, needs_data
from audio_lottery.errors import LotteryError

needs_data.add("synflow")


@criteria.register("synflow")
def synflow(name: str, evidence: Evidence) -> Tensor:
    """Float64 scores."""
    return evidence.once("synflow", lambda: _scores(evidence))[name]


def _scores(evidence: Evidence) -> dict[str, Tensor]:
    calibration = evidence.data("synflow")
    with _linear(calibration.model):
        weights = gradients.parameters(evidence, calibration)
        flows = torch.autograd.grad(calibration.flow(calibration.model).sum(), list(weights.values()),
                                    allow_unused=True)
        for name, flow in zip(weights, flows, strict=True):
            if flow is None:
                raise LotteryError(f"synflow: {name} is not on the way from features to outputs: leave it out of the "
                                   "scope (scope.exclude)")
            if weights[name].any() and not flow.any():
                raise LotteryError(f"synflow: no flow reaches {name}, behind gates or a softmax that saturate: leave "
                                   "it out of the scope (scope.exclude) or take another criterion, such as snip")
        return {name: (weights[name].detach() * flow).abs() for name, flow in zip(weights, flows, strict=True)}


@contextmanager
def _linear(model: nn.Module) -> Iterator[None]:
    """Absolute parameters in float64 (sums of products overflow float32) and norms that do nothing."""
    before = {name: value.clone() for name, value in model.state_dict().items()}
    norms = [module for module in model.modules() if "Norm" in type(module).__name__]
    kinds = {name: value.dtype for name, value in before.items()}
    for norm in norms:
        norm.forward = lambda value, *args, **kwargs: value
    model.double()
    try:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.abs_()
        yield
    finally:
        for norm in norms:
            del norm.forward
        model.to(next((kind for kind in kinds.values() if kind.is_floating_point), torch.float32))
        model.load_state_dict(before)
