"""Gradients of the loss with respect to the scored weights."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from audio_lottery.criteria.base import Calibration, Evidence
from audio_lottery.errors import LotteryError
from audio_lottery.mask import named_tensors


def parameters(evidence: Evidence, calibration: Calibration) -> dict[str, Tensor]:
    """The scored tensors as parameters of the calibration's model."""
    own = named_tensors(calibration.model)
    return {name: own[name] for name in evidence.weights}


def each(evidence: Evidence, calibration: Calibration, batches: Callable[[], Iterable[Any]],
         ) -> Iterator[dict[str, Tensor]]:
    """The gradient of every batch's mean loss in turn: name -> tensor, zero for tensors without a part in it.

    Raises LotteryError when there is no batch, and for a loss that isn't finite.
    """
    weights = parameters(evidence, calibration)
    found = False
    for batch in batches():
        found = True
        loss = calibration.loss(calibration.model, batch)
        if not torch.isfinite(loss):
            raise LotteryError(f"criterion: the loss of a batch is {float(loss.detach())}: "
                               "score other weights or batches")
        gradients = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
        yield {name: torch.zeros_like(weight) if gradient is None else gradient
               for (name, weight), gradient in zip(weights.items(), gradients, strict=True)}
    if not found:
        raise LotteryError("criterion: no batch to score on: check the data and criterion_conf")


def mean(evidence: Evidence, calibration: Calibration) -> dict[str, Tensor]:
    """The mean of the batches' gradients, float64."""
    total, number = {}, 0
    for gradients in each(evidence, calibration, calibration.batches):
        number += 1
        for name, gradient in gradients.items():
            total[name] = total.get(name, 0) + gradient.double()
    return {name: value / number for name, value in total.items()}
