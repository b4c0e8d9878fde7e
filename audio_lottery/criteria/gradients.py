"""Gradients of the loss with respect to the scored weights."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from audio_lottery import ranks
from audio_lottery.criteria.base import Calibration, Evidence
from audio_lottery.errors import LotteryError
from audio_lottery.mask import named_tensors


def parameters(evidence: Evidence, calibration: Calibration) -> dict[str, Tensor]:
    """The scored tensors as parameters of the calibration's model."""
    own = named_tensors(calibration.model)
    return {name: own[name] for name in evidence.weights}


def total(evidence: Evidence, calibration: Calibration, batches: Callable[[], Iterable[Any]],
          part: Callable[[str, Tensor], Tensor]) -> tuple[dict[str, Tensor], int]:
    """The sum of ``part(name, gradient of a batch's mean loss)`` over batches, float64, and the number of batches.

    The gradient is float64, and zero for tensors without a part in the loss. Where processes train together
    (torch.distributed), the batches of all of them are summed. Raises LotteryError when there is no batch, and for
    a loss that isn't finite.
    """
    sums = {name: torch.zeros_like(weight, dtype=torch.float64) for name, weight in evidence.weights.items()}
    number = torch.zeros((), dtype=torch.int64)
    for gradients in _each(evidence, calibration, batches):
        number += 1
        for name, gradient in gradients.items():
            sums[name] += part(name, gradient.double())
    ranks.sum_({**sums, "": number})
    if not number:
        raise LotteryError("criterion: no batch to score on: check the data and criterion_conf")
    return sums, int(number)


def _each(evidence: Evidence, calibration: Calibration, batches: Callable[[], Iterable[Any]],
          ) -> Iterator[dict[str, Tensor]]:
    weights = parameters(evidence, calibration)
    for batch in batches():
        loss = calibration.loss(calibration.model, batch)
        if not torch.isfinite(loss):
            raise LotteryError(f"criterion: the loss of a batch is {float(loss.detach())}: "
                               "score other weights or batches")
        gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
        yield {name: torch.zeros_like(weight) if gradient is None else gradient
               for (name, weight), gradient in zip(weights.items(), gradients, strict=True)}


def mean(evidence: Evidence, calibration: Calibration) -> dict[str, Tensor]:
    """The mean of the batches' gradients, float64."""
    sums, number = total(evidence, calibration, calibration.batches, lambda name, gradient: gradient)
    return {name: value / number for name, value in sums.items()}
