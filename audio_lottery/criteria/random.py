"""Random: uniform scores, the control that shows what a criterion is worth."""

import hashlib

import torch
from torch import Tensor

from audio_lottery.criteria.base import Evidence, criteria


@criteria.register("random")
def random(name: str, evidence: Evidence) -> Tensor:
    """Uniform float32 scores in [0, 1) on the CPU.

    They depend on the seed and the tensor's name alone, so that neither the order of the tensors
    nor what else is in scope changes them.
    """
    digest = hashlib.sha256(f"{evidence.seed}:{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return torch.rand(evidence.weights[name].shape, generator=generator)
