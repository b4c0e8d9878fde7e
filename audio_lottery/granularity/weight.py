"""Single weights: unstructured sparsity (Han et al., NeurIPS 2015)."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from audio_lottery.granularity.base import Granularity, Shapes, granularities
from audio_lottery.selection import Scores, remaining


@dataclass(frozen=True)
class Weights:
    """Every weight is a group of its own."""

    names: tuple[str, ...]
    exact = True

    @property
    def units(self) -> tuple[tuple[str, ...], ...]:
        """Each tensor by itself."""
        return tuple((name,) for name in self.names)

    def select(self, scores: Mapping[str, Scores], count: int, within: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Exactly ``count`` weights go, see audio_lottery.selection."""
        return remaining(scores, count, within)

    def slack(self) -> int:
        """Counts are exact."""
        return 0

    def broken(self, mask: Mapping[str, Tensor]) -> list[str]:
        """None: a weight cannot be cut."""
        return []


def _bind(shapes: Shapes, network) -> Weights:
    return Weights(tuple(shapes))


granularities.register("weight")(Granularity("weight", _bind))
