"""First-order Taylor: the squared change of the loss, ``(g w)²``, summed over batches.

Molchanov et al., Importance Estimation for Neural Network Pruning, CVPR 2019.
"""

from torch import Tensor

from audio_lottery.criteria import gradients
from audio_lottery.criteria.base import Evidence, criteria, needs_data

needs_data.add("taylor")


@criteria.register("taylor")
def taylor(name: str, evidence: Evidence) -> Tensor:
    """Float64 scores."""
    return evidence.once("taylor", lambda: _scores(evidence))[name]


def _scores(evidence: Evidence) -> dict[str, Tensor]:
    calibration = evidence.data("taylor")
    sums, _ = gradients.total(evidence, calibration, calibration.batches,
                              lambda name, gradient: (gradient * evidence.weights[name].detach()).square())
    return sums
