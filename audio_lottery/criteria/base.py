"""What criteria share: their type, their registry and what they may look at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from audio_lottery.registry import Registry


@dataclass(frozen=True)
class Evidence:
    """What a criterion may look at.

    weights: parameter name -> trained weights, any shape, any float type.
    seed: for criteria that draw random numbers.
    """

    weights: Mapping[str, Tensor]
    seed: int = 0


Criterion = Callable[[str, Evidence], Tensor]
criteria: Registry[Criterion] = Registry("criterion")
