"""What allocations share: their types, their registry and the exact division of a number."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from torch import Tensor

from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask
from audio_lottery.registry import Registry
from audio_lottery.selection import Scores


@dataclass(frozen=True)
class Budget:
    """Prune ``count`` weights from the tensors ``names`` together."""

    names: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class Request:
    """What is to be divided.

    mask: the weights that remain, tensors in network order. count: how many of them to prune.
    units: tensors that lose groups together (an attention's matrices), in network order; none given:
        each tensor is one.
    select: ``(names, count) -> name -> weights left`` if ``count`` of these tensors' weights were
        pruned by one threshold.
    number: the round, from 1.
    """

    mask: Mask
    count: int
    units: tuple[tuple[str, ...], ...] = ()
    select: Callable[[Sequence[str], int], Mapping[str, int]] | None = None
    number: int = 1

    @property
    def keep(self) -> int:
        """Weights that remain afterwards."""
        return self.mask.kept - self.count

    @property
    def sizes(self) -> dict[str, int]:
        """Name -> weights of the tensor, pruned ones too."""
        return {name: tensor.numel() for name, tensor in self.mask.items()}

    def budgets(self, kept: Mapping[str, int]) -> list[Budget]:
        """A budget for each tensor, from what is to remain of it."""
        return [Budget((name,), before - kept[name]) for name, before in self.mask.kept_per_tensor.items()]


class Allocation:
    """``allocation(request) -> budgets``, a dataclass whose fields are allocation_conf.

    The tensors of the budgets don't overlap, the counts sum to the request's, and each budget gets a
    threshold of its own.

    carries: whether what one budget misses, because groups are not cut, goes to the next. Without that each
    budget is rounded to groups by itself, and the counts need not sum exactly.
    choose: ``(scores, count, within) -> what remains`` of a budget's tensors, where that is not left to the
    granularity; such an allocation is for single weights.
    """

    carries = True
    choose: Callable[[Mapping[str, Scores], int, Mapping[str, Tensor]], dict[str, Tensor]] | None = None

    def __call__(self, request: Request) -> list[Budget]:
        """Divide a round's count."""
        raise NotImplementedError

    def check(self, sizes: Mapping[str, int], kept: Sequence[int]) -> None:
        """Raise LotteryError for options that don't fit a search.

        sizes: name -> weights of the tensors in scope. kept: weights planned to remain after round 1, 2, ...
        """


allocations: Registry[type[Allocation]] = Registry("allocation")


def share(total: int, weights: Mapping[str, int | Fraction], capacity: Mapping[str, int]) -> dict[str, int]:
    """Divide ``total`` in proportion to ``weights``; sums exactly, nothing above its ``capacity``.

    What a full one cannot take goes to the others in proportion; fractions go to the largest
    remainders, the first of equal ones. Raises ValueError when the capacities are too small.
    """
    if total > sum(capacity.values()):
        raise ValueError(f"{total} is more than all capacities together, {sum(capacity.values())}")
    full: dict[str, int] = {}
    while True:
        free = [name for name in weights if name not in full]
        left, heap = total - sum(full.values()), sum(weights[name] for name in free)
        if not left or not heap:
            exact = dict.fromkeys(free, Fraction(0))
            break
        exact = {name: Fraction(left) * weights[name] / heap for name in free}
        over = [name for name in free if exact[name] >= capacity[name]]
        if not over:
            break
        full |= {name: capacity[name] for name in over}
    result = full | {name: floor(value) for name, value in exact.items()}
    missing = total - sum(result.values())
    for name in sorted(exact, key=lambda name: floor(exact[name]) - exact[name]):
        # One more each; where all weights are zero, as many as go in.
        more = min(missing, capacity[name] - result[name], missing if not heap else 1)
        result[name] += more
        missing -= more
    return {name: result[name] for name in weights}


def refuse_unmatched(patterns: Mapping[str, object], names: Sequence[str], what: str) -> None:
    """Raise LotteryError for the first regular expression that is found in none of the names."""
    for pattern in patterns:
        if not any(re.search(pattern, name) for name in names):
            raise LotteryError(f"{what}: {pattern!r} matches no tensor in scope: see the names with "
                               f"'audio-lottery show', e.g. {next(iter(names), 'none')}")
