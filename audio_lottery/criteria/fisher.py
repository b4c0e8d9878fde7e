"""Diagonal Fisher: ``F w² / 2``, F the mean squared gradient of single utterances.

Theis et al., Faster gaze prediction with dense networks and Fisher pruning, 2018; after
LeCun et al., Optimal Brain Damage, 1989, with the Fisher information in place of the Hessian.
"""

from torch import Tensor

from audio_lottery.criteria import gradients
from audio_lottery.criteria.base import Evidence, criteria, needs_data

needs_data.add("fisher")


@criteria.register("fisher")
def fisher(name: str, evidence: Evidence) -> Tensor:
    """Float64 scores: the expected growth of the loss when the weight goes."""
    diagonal = evidence.once("fisher", lambda: _diagonal(evidence))[name]
    return diagonal * evidence.weights[name].detach().double().square() / 2


def _diagonal(evidence: Evidence) -> dict[str, Tensor]:
    calibration = evidence.data("fisher")
    sums, number = gradients.total(evidence, calibration, calibration.utterances,
                                   lambda name, gradient: gradient.square())
    return {name: value / number for name, value in sums.items()}
