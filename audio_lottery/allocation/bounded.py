"""Bounded: one threshold, but with a least and a greatest density for some modules.

As the sensitivity limits of Han et al. (Learning both Weights and Connections, NeurIPS 2015): the first
and the last layers of a recogniser often need more weights than a global threshold leaves them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, floor

from audio_lottery.allocation.base import Allocation, Budget, Request, allocations, refuse_unmatched
from audio_lottery.errors import LotteryError


@allocations.register("bounded")
@dataclass(frozen=True)
class Bounded(Allocation):
    """minimum, maximum: regular expression on tensor names -> density of each tensor it is found in."""

    minimum: Mapping[str, float] = field(default_factory=dict)
    maximum: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, bounds in (("minimum", self.minimum), ("maximum", self.maximum)):
            if not isinstance(bounds, Mapping):
                raise LotteryError(f"allocation_conf: {what}: {bounds!r}: write {{encoder.embed: 0.5}}")
            for pattern, density in bounds.items():
                if isinstance(density, bool) or not isinstance(density, int | float) or not 0 <= density <= 1:
                    raise LotteryError(f"allocation_conf: {what} of {pattern}: {density!r} is not a density: "
                                       "give a number from 0 to 1")
                try:
                    re.compile(str(pattern))
                except re.error as error:
                    raise LotteryError(f"allocation_conf: {what}: {pattern!r} is not a regular expression "
                                       f"({error}): correct it") from None

    def check(self, sizes: Mapping[str, int], kept: Sequence[int]) -> None:
        """Patterns match, and every round's density lies between what the bounds give."""
        refuse_unmatched({**self.minimum, **self.maximum}, list(sizes), "allocation_conf")
        low, high = self._bounds(sizes)
        for number, keep in enumerate(kept, 1):
            _refuse(number, keep, sum(sizes.values()), sum(low.values()), sum(high.values()))

    def __call__(self, request: Request) -> list[Budget]:
        """Tensors that a common threshold would take past a bound are set to it, the others share the rest.

        A round never brings weights back, so a minimum above a tensor's density keeps it as it is.
        """
        refuse_unmatched({**self.minimum, **self.maximum}, list(request.mask), "allocation_conf")
        low, high = self._limits(request)
        fixed: dict[str, int] = {}
        while True:
            free = [name for name in request.mask if name not in fixed]
            count = request.count - sum(request.mask.kept_per_tensor[name] - kept for name, kept in fixed.items())
            left = dict(request.select(free, count)) if free else {}
            under = {name: low[name] for name in free if left[name] < low[name]}
            over = {name: high[name] for name in free if left[name] > high[name]}
            if not under and not over:
                break
            # The side that moves more weights is surely right; the other may right itself.
            lacking, beyond = sum(low[n] - left[n] for n in under), sum(left[n] - high[n] for n in over)
            fixed |= under if lacking >= beyond else over
        budgets = [Budget((name,), request.mask.kept_per_tensor[name] - kept) for name, kept in fixed.items()]
        return budgets + ([Budget(tuple(free), count)] if free else [])

    def _limits(self, request: Request) -> tuple[dict[str, int], dict[str, int]]:
        kept = request.mask.kept_per_tensor
        low, high = ({name: min(bound, kept[name]) for name, bound in side.items()}
                     for side in self._bounds(request.sizes))
        _refuse(request.number, request.keep, request.mask.numel, sum(low.values()), sum(high.values()))
        return low, high

    def _bounds(self, sizes: Mapping[str, int]) -> tuple[dict[str, int], dict[str, int]]:
        """Least and greatest number of weights of each tensor."""
        low, high = {}, {}
        for name, size in sizes.items():
            low[name] = max((ceil(size * d) for p, d in self.minimum.items() if re.search(p, name)), default=0)
            high[name] = min((floor(size * d) for p, d in self.maximum.items() if re.search(p, name)), default=size)
            if low[name] > high[name]:
                raise LotteryError(f"allocation_conf: {name} has minimum {low[name] / size:.3f} and maximum "
                                   f"{high[name] / size:.3f}: lower the minimum")
        return low, high


def _refuse(number: int, keep: int, numel: int, low: int, high: int) -> None:
    for bound, wrong, what in ((low, low > keep, "minima"), (high, high < keep, "maxima")):
        if wrong:
            raise LotteryError(f"allocation_conf: round {number} is to have density {keep / numel:.4f} and the {what} "
                               f"give {bound / numel:.4f}: loosen the {what}, or take that density")
