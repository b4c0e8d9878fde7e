"""Magnitude: ``|w|`` (Han et al., Learning both Weights and Connections, NeurIPS 2015)."""

import torch
from torch import Tensor

from audio_lottery.criteria.base import Evidence, criteria


@criteria.register("magnitude")
def magnitude(name: str, evidence: Evidence) -> Tensor:
    """Absolute values of the weights, in their shape and type."""
    return evidence.weights[name].detach().abs()


# Said to the selection, which then needs no copy of a whole tensor: see selection.Elementwise.
magnitude.elementwise = torch.abs
