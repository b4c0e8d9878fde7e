"""Even: every layer keeps the same share of its groups, so that the structures of all layers end equally large.

That is what a shrunk dense model needs whose configuration has one size for all layers, as ESPnet's.
"""

from dataclasses import dataclass
from fractions import Fraction

from audio_lottery.allocation.base import Allocation, Budget, Request, allocations


@allocations.register("even")
@dataclass(frozen=True)
class Even(Allocation):
    """No options. Layers are rounded to whole groups alike: the total may be half a group a layer off."""

    carries = False

    def __call__(self, request: Request) -> list[Budget]:
        """The same density for each unit; one already sparser stays as it is."""
        kept, density = request.mask.kept_per_tensor, Fraction(request.keep, request.mask.numel)
        budgets = []
        for unit in request.units or tuple((name,) for name in request.mask):
            left = sum(kept[name] for name in unit)
            wanted = round(density * sum(request.sizes[name] for name in unit))
            budgets.append(Budget(unit, max(left - wanted, 0)))
        return budgets
