"""One pruning step: a mask and trained weights in, a smaller mask out."""

from collections.abc import Mapping
from functools import partial

from torch import Tensor, nn

from audio_lottery.allocation import allocations
from audio_lottery.criteria import Evidence, criteria
from audio_lottery.mask import Mask, named_tensors
from audio_lottery.schedule import count_to_prune
from audio_lottery.selection import remaining


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
    mask.validate(weights)
    tensors = named_tensors(weights)
    score = criteria.get(criterion)
    evidence = Evidence({name: tensors[name] for name in mask}, seed)
    result = dict(mask)
    for budget in allocations.get(allocation)(mask, count_to_prune(mask.kept, rate)):
        scores = {name: partial(score, name, evidence) for name in budget.names}
        result.update(remaining(scores, budget.count, {name: mask[name] for name in budget.names}))
    return Mask(result)
