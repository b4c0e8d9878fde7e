"""Where the budget goes: how a round's count is divided over groups of tensors.

An allocation is a function ``(mask, count) -> budgets``. The groups don't overlap, the counts sum
to ``count``, and each group gets its own threshold. A mask's tensors are in network order.
"""

from collections.abc import Callable
from dataclasses import dataclass

from audio_lottery.mask import Mask
from audio_lottery.registry import Registry


@dataclass(frozen=True)
class Budget:
    """Prune ``count`` weights from the tensors ``names`` together."""

    names: tuple[str, ...]
    count: int


Allocation = Callable[[Mask, int], list[Budget]]
allocations: Registry[Allocation] = Registry("allocation")


@allocations.register("global")
def global_(mask: Mask, count: int) -> list[Budget]:
    """One threshold over all weights that remain (Frankle & Carbin, ICLR 2019, section 3)."""
    return [Budget(tuple(mask), count)]
