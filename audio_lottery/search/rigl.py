"""RigL (Evci et al., Rigging the Lottery: Making All Tickets Winners, ICML 2020).

Training starts from a random sparse mask (allocation: erk for the paper's). Every ``every`` steps until
``end`` each tensor drops the fraction alpha/2 * (1 + cos(t * pi / end)) of its remaining weights, those of
smallest magnitude, and grows as many of largest gradient magnitude, which start at zero. The optimiser's
step of that batch is taken too, before the mask changes; the paper leaves it out.
"""

import math
from dataclasses import dataclass

from torch import Tensor

from audio_lottery.search.base import Job, Tensors, withins
from audio_lottery.search.regrow import Regrowing, check, fraction_option
from audio_lottery.search.span import Span


@withins.register("rigl")
@dataclass(frozen=True)
class Rigl:
    """alpha: fraction of the weights that move at first; every, end: when the mask changes."""

    alpha: float = 0.3
    every: float | str = 0.02
    end: float | str = 0.75
    retrain = False

    def __post_init__(self) -> None:
        fraction_option(self.alpha, "alpha")
        for key in ("every", "end"):
            Span.parse(getattr(self, key), f"within_conf: {key}")

    def check(self, config) -> None:
        """Single weights, dropped by magnitude."""
        check(config, "rigl")

    def course(self, job: Job) -> Regrowing:
        """Grows by the gradient of all weights, which only the steps before a change need."""
        return Regrowing(job, self, self.every, self.end, wants_gradient=True)

    def fraction(self, step: int, end: int) -> float:
        """Cosine decay from alpha at step 0 to 0 at ``end``."""
        return self.alpha / 2 * (1 + math.cos(math.pi * step / end))

    def score(self, name: str, seed: int, weights: Tensors, gradient: Tensors) -> Tensor:
        """Gradient magnitude."""
        return gradient[name].abs()
