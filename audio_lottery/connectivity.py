"""The line between two trained networks: are they in one linearly connected region of low error?

Frankle et al., "Linear Mode Connectivity and the Lottery Ticket Hypothesis", ICML 2020, section 2.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from audio_lottery.errors import LotteryError


def interpolate(first: Mapping[str, Tensor], second: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """``(1 - share) * first + share * second`` of two state dicts of one network; whole numbers are those of first.

    Raises LotteryError, naming the first tensor, when names or shapes differ.
    """
    for name in [*first, *(name for name in second if name not in first)]:
        shapes = [list(state[name].shape) if name in state else "none" for state in (first, second)]
        if shapes[0] != shapes[1]:
            raise LotteryError(f"{name} is {shapes[0]} in one model, {shapes[1]} in the other: the line runs between "
                               "models of one architecture")
    return {name: torch.lerp(value, second[name].to(value.dtype), share) if value.is_floating_point() else value.clone()
            for name, value in first.items()}


def points(number: int) -> list[float]:
    """``number`` shares from 0 to 1, evenly spaced."""
    return [index / (number - 1) for index in range(number)]


def barrier(errors: Sequence[float], larger_is_worse: bool = True) -> float:
    """The error barrier: the highest error on the line minus the mean of its ends (Frankle et al., section 2).

    About 0: linearly connected. For a score of which more is better, how far it falls below the mean of its ends.
    """
    ends = (errors[0] + errors[-1]) / 2
    return max(errors) - ends if larger_is_worse else ends - min(errors)


def has_batch_norm(model: nn.Module) -> bool:
    """Whether the network keeps statistics of batches."""
    return any(_keeps_statistics(module) for module in model.modules())


@torch.no_grad()
def reestimate(model: nn.Module, batches: Iterable[object], forward: Callable[[nn.Module, object], object]) -> None:
    """Set batch norms' running statistics to the means over ``batches``; all else is in evaluation mode.

    Statistics of the ends mean nothing between them (Izmailov et al., "Averaging Weights Leads to Wider Optima and
    Better Generalization", UAI 2018, section 3.2).
    """
    norms = [module for module in model.modules() if _keeps_statistics(module)]
    before = [module.momentum for module in norms]
    model.eval()
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # the plain mean over all batches
        module.train()
    for batch in batches:
        forward(model, batch)
    for module, momentum in zip(norms, before, strict=True):
        module.momentum = momentum
    model.eval()


def _keeps_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and module.track_running_stats
