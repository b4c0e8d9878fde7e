"""One pruning step: a mask and trained weights in, a smaller mask out."""

from collections.abc import Mapping, Sequence
from functools import partial

from torch import Tensor, nn

from audio_lottery.allocation import Allocation, Budget, Request, allocations
from audio_lottery.criteria import Evidence, criteria
from audio_lottery.errors import LotteryError
from audio_lottery.gates import join, split
from audio_lottery.granularity import ByGate, Selector
from audio_lottery.granularity.weight import Weights
from audio_lottery.mask import Mask
from audio_lottery.schedule import count_to_prune
from audio_lottery.selection import Elementwise, Scores


def prune(
    weights: nn.Module | Mapping[str, Tensor],
    mask: Mask,
    rate: float | str,
    criterion: str = "magnitude",
    allocation: str = "global",
    seed: int = 0,
) -> Mask:
    """Prune a fraction ``rate`` of the weights that remain; the result is a subset of ``mask``.

    weights: a model, or name -> tensor; it may hold more tensors than the mask.
    rate: in (0, 1); the count is exact, see schedule.count_to_prune.
    Raises LotteryError when the mask doesn't fit the weights, or a score is NaN.
    """
    evidence = Evidence.of(weights, mask, seed=seed)
    keep = mask.kept - count_to_prune(mask.kept, rate)
    return prune_to(keep, mask, evidence, criterion, allocations.get(allocation)())


def prune_to(keep: int, mask: Mask, evidence: Evidence, criterion: str, allocation: Allocation,
             selector: Selector | None = None, number: int = 1) -> Mask:
    """Prune until ``keep`` weights remain, to the weight or as nearly as the groups of ``selector`` allow.

    selector: a granularity bound to the mask's tensors; None: single weights. number: the round.
    Where a budget cannot be met exactly, what is missing or too much is carried to the next one; what
    the last one cannot take either is pruned by one threshold over all.
    Raises LotteryError for a NaN score and for a budget that cannot be had.
    """
    selector = selector or Weights(tuple(mask))
    score = criteria.get(criterion)
    each = getattr(score, "elementwise", None)
    scores = {name: Elementwise(evidence.weights[name], each) if each else partial(score, name, evidence)
              for name in mask}
    if not isinstance(selector, ByGate):
        return Mask(_choose(keep, mask, scores, allocation, selector, number))
    parts = Mask(split(mask, selector.blocks))
    chosen = _choose(keep, parts, selector.split_scores(scores), allocation, selector.inner, number)
    return Mask(join(chosen, mask, selector.blocks))


def _choose(keep: int, mask: Mask, scores: Mapping[str, Scores], allocation: Allocation, selector: Selector,
            number: int) -> dict[str, Tensor]:
    """Name -> what remains, of tensors that may be gates."""

    if allocation.choose and not selector.exact:
        raise LotteryError("allocation: it compares single weights, not groups: take granularity: weight, or "
                           "allocation: uniform")
    select = allocation.choose or selector.select

    def choose(names: Sequence[str], count: int) -> dict[str, Tensor]:
        return select({n: scores[n] for n in names}, count, {n: mask[n] for n in names})

    def left(names: Sequence[str], count: int) -> dict[str, int]:
        return {name: int(chosen.sum()) for name, chosen in choose(names, count).items()}

    budgets = allocation(Request(mask, mask.kept - keep, selector.units, left, number))
    result, carried = dict(mask), 0
    for budget in _joined(budgets, selector.units):
        before = sum(mask.kept_per_tensor[name] for name in budget.names)
        chosen = choose(budget.names, min(budget.count + carried, before))
        if allocation.carries and not selector.exact:
            carried += budget.count - before + sum(int(one.sum()) for one in chosen.values())
        result.update(chosen)
    if carried > selector.slack():
        result.update(selector.select(scores, carried, result))
    return result


def _joined(budgets: list[Budget], units: tuple[tuple[str, ...], ...]) -> list[Budget]:
    """Budgets whose tensors lose groups together, made one."""
    unit = {name: number for number, names in enumerate(units) for name in names}
    parts: list[tuple[set[int], Budget]] = []
    for budget in budgets:
        reached = {unit[name] for name in budget.names}
        for other in [part for part in parts if part[0] & reached]:
            parts.remove(other)
            reached |= other[0]
            budget = Budget(other[1].names + budget.names, other[1].count + budget.count)
        parts.append((reached, budget))
    return [budget for _, budget in parts]
