"""Layerwise: initial, middle and final layers are pruned at different rates.

The extension of Audio Lottery (Ding et al., ICLR 2022): the prunable layers in network order are cut
into three equal groups, pruned at 1.1 p, p and 0.9 p of what remains, each with its own threshold.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from audio_lottery.allocation.base import Allocation, Budget, Request, allocations, share
from audio_lottery.errors import LotteryError


@allocations.register("layerwise")
@dataclass(frozen=True)
class Layerwise(Allocation):
    """factors: of the rate, for the groups from input to output; as many groups as factors."""

    factors: Sequence[float] = (1.1, 1.0, 0.9)

    def __post_init__(self) -> None:
        if not isinstance(self.factors, list | tuple) or len(self.factors) < 2 or not all(
                isinstance(one, int | float) and one > 0 for one in self.factors):
            raise LotteryError(f"allocation_conf: factors: {self.factors!r}: give two or more positive numbers, "
                               "like [1.1, 1.0, 0.9]")

    def __call__(self, request: Request) -> list[Budget]:
        """The groups' rates keep the factors' proportions; their common scale makes the total exact.

        A layer is a tensor, or the tensors that lose groups together. With fewer layers than factors
        the last factors are left out; a remainder of the division goes to the first groups.
        """
        units = request.units or tuple((name,) for name in request.mask)
        parts = {str(n): part for n, part in enumerate(self._parts(units)) if part}
        kept = {key: sum(request.mask.kept_per_tensor[name] for name in part) for key, part in parts.items()}
        weights = {key: kept[key] * Fraction(str(self.factors[int(key)])) for key in parts}
        counts = share(request.count, weights, kept)
        return [Budget(part, counts[key]) for key, part in parts.items()]

    def _parts(self, units: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
        size, more = divmod(len(units), len(self.factors))
        ends = [size * (n + 1) + min(n + 1, more) for n in range(len(self.factors))]
        starts = [0, *ends[:-1]]
        return [tuple(name for unit in units[a:b] for name in unit) for a, b in zip(starts, ends, strict=True)]
