"""SET: sparse evolutionary training (Mocanu et al., Nature Communications 9, 2018).

As RigL, but a constant fraction of each tensor's weights moves, by default once an epoch, and what grows is
random. Grown weights start at zero, as in the comparison of Evci et al. (ICML 2020).
"""

from dataclasses import dataclass

from torch import Tensor

from audio_lottery.criteria import Evidence, criteria
from audio_lottery.search.base import Job, Tensors, withins
from audio_lottery.search.regrow import Regrowing, check, fraction_option
from audio_lottery.search.span import Span


@withins.register("set")
@dataclass(frozen=True)
class Set:
    """zeta: fraction of the weights that move; every, end: when the mask changes."""

    zeta: float = 0.3
    every: float | str = "1ep"
    end: float | str = 0.75
    retrain = False

    def __post_init__(self) -> None:
        fraction_option(self.zeta, "zeta")
        for key in ("every", "end"):
            Span.parse(getattr(self, key), f"within_conf: {key}")

    def check(self, config) -> None:
        """Single weights, dropped by magnitude."""
        check(config, "set")

    def course(self, job: Job) -> Regrowing:
        """Needs no gradient of pruned weights."""
        return Regrowing(job, self, self.every, self.end, wants_gradient=False)

    def fraction(self, step: int, end: int) -> float:
        """Always the same."""
        return self.zeta

    def score(self, name: str, seed: int, weights: Tensors, gradient: Tensors) -> Tensor:
        """Random, the same when a killed run comes by again."""
        return criteria.get("random")(name, Evidence({name: weights[name]}, seed=seed))
