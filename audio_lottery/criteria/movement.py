"""Movement: how far training moved a weight away from zero.

Sanh et al., Movement Pruning, NeurIPS 2020: the sum over steps of -lr g w, which is the sum of
the steps' changes times w. Along the path that an optimiser took, whatever it was, that sum is
``(w² - w0²) / 2`` (each change times the mean of w before and after it), so no step has to be recorded.
"""

from torch import Tensor

from audio_lottery.criteria.base import Evidence, criteria, needs_start
from audio_lottery.errors import LotteryError

needs_start.add("movement")


@criteria.register("movement")
def movement(name: str, evidence: Evidence) -> Tensor:
    """Float64 scores, negative for weights that came nearer to zero."""
    if evidence.start is None:
        raise LotteryError("criterion: movement compares trained with initial weights: use it in a search "
                           "(audio-lottery find)")
    return (evidence.weights[name].detach().double().square() - evidence.start[name].double().square()) / 2
