"""Wanda: ``|w|`` times the norm of its input over the data (Sun et al., ICLR 2024).

The input of a convolution's weight is its input channel. The paper compares within an output, which is
``allocation: output`` (or N:M): inputs' norms differ between tensors, so one threshold over all says little.
"""

from functools import partial

import torch
from torch import Tensor, nn

from audio_lottery import ranks
from audio_lottery.criteria.base import Calibration, Evidence, criteria, needs_data
from audio_lottery.errors import LotteryError

needs_data.add("wanda")
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)


@criteria.register("wanda")
def wanda(name: str, evidence: Evidence) -> Tensor:
    """Float64 scores. Raises LotteryError for a tensor whose input cannot be seen (recurrent layers)."""
    norms = evidence.once("input norms", lambda: _norms(evidence, evidence.data("wanda")))
    return evidence.weights[name].detach().double().abs() * norms[name]


@torch.no_grad()
def _norms(evidence: Evidence, calibration: Calibration) -> dict[str, Tensor]:
    """Name -> norms of the inputs, in a shape that multiplies the weight."""
    squares: dict[str, Tensor] = {}
    handles, modules = [], {}
    for name in evidence.weights:
        path, _, last = name.rpartition(".")
        modules[name] = calibration.model.get_submodule(path)
        if last != "weight" or not isinstance(modules[name], (nn.Linear, *CONVOLUTIONS)):
            raise LotteryError(f"wanda: {name} is not of a Linear layer or a convolution: leave it out of the scope "
                               "(scope.exclude) or take another criterion")
        handles.append(modules[name].register_forward_pre_hook(partial(_add, squares, name)))
    try:
        for utterance in calibration.utterances():
            calibration.loss(calibration.model, utterance)
    finally:
        for handle in handles:
            handle.remove()
    for name in modules:
        if name not in squares:
            raise LotteryError(f"wanda: {name} had no input: leave it out of the scope (scope.exclude)")
    ranks.sum_(squares)
    return {name: _shaped(module, squares[name].sqrt()) for name, module in modules.items()}


def _add(squares: dict[str, Tensor], name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
    values = inputs[0].detach().double()
    if isinstance(module, CONVOLUTIONS):
        # [(batch,) channels, ...]: channels last.
        values = values.movedim(-module.weight.dim() + 1, -1)
    squares[name] = squares.get(name, 0) + values.reshape(-1, values.shape[-1]).square().sum(0)


def _shaped(module: nn.Module, norms: Tensor) -> Tensor:
    if isinstance(module, nn.Linear):
        return norms
    out, inputs, *kernel = module.weight.shape
    grouped = norms.view(module.groups, inputs).repeat_interleave(out // module.groups, 0)
    return grouped.view(out, inputs, *[1] * len(kernel))
