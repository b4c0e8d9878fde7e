"""SynFlow: ``|w dR/dw|``, R the summed outputs of the network of absolute weights for an input of ones.

Tanaka et al., Pruning neural networks without any data by iteratively conserving synaptic flow, NeurIPS
2020, algorithm 1. Norm layers are passed by, so that the flow is conserved through them. The
paper prunes in 100 steps with the scores taken anew (criterion_conf: iterations), which keeps it from
emptying a layer. Softmax attention and gates saturate at such inputs and let no flow through: queries, keys,
positions and what a GLU's gate comes from (pointwise_conv1 of a Conformer) have to be left out of the scope, where
they would all be pruned first, and recurrent networks are refused. A product of two branches (E-Branchformer's
gating unit) counts what comes into it twice.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from audio_lottery.criteria import gradients
from audio_lottery.criteria.base import Evidence, criteria, needs_data
from audio_lottery.errors import LotteryError

needs_data.add("synflow")
# Units whose outgoing weights are all pruned get no flow and rightly no score, so only whole networks are judged.
WHOLE = 0.999


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
        found = {}
        for name, flow in zip(weights, flows, strict=True):
            if flow is None:
                raise LotteryError(f"synflow: {name} is not on the way from features to outputs: leave it out of the "
                                   "scope (scope.exclude)")
            found[name] = (weights[name].detach() * flow).abs()
        _refuse_cut_off(found, weights)
        return found


def _refuse_cut_off(scores: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    """Raise LotteryError where a tensor, or some of the outputs that it computes, are cut off from the flow."""
    left = sum(int(weight.count_nonzero()) for weight in weights.values())
    whole = left >= WHOLE * sum(weight.numel() for weight in weights.values())
    for name, score in scores.items():
        outputs = score.reshape(len(score), -1).amax(1)
        without = int((outputs == 0).sum())
        if without and (whole or (without == len(outputs) and weights[name].any())):
            part = name if without == len(outputs) else f"{without} of the {len(outputs)} outputs of {name}"
            raise LotteryError(f"synflow: no flow reaches {part}, behind gates or a softmax that saturate: leave "
                               "it out of the scope (scope.exclude) or take another criterion, such as snip")


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
