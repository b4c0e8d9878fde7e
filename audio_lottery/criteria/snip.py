"""SNIP: ``|g w|``, g the gradient over all batches (Lee et al., ICLR 2019).

Meant for initial weights (prune_from: init). The paper divides by the sum over all weights, which changes
no order.
"""

from torch import Tensor

from audio_lottery.criteria import gradients
from audio_lottery.criteria.base import Evidence, criteria, needs_data

needs_data.add("snip")


@criteria.register("snip")
def snip(name: str, evidence: Evidence) -> Tensor:
    """Float64 scores."""
    gradient = evidence.once("mean gradient", lambda: gradients.mean(evidence, evidence.data("snip")))
    return (gradient[name] * evidence.weights[name].detach()).abs()
