"""Output: every output of every tensor keeps the same share of its weights, so that weights compete within an output.

Wanda's comparison group (Sun et al., A Simple and Effective Pruning Approach for Large Language Models, ICLR 2024,
section 3), for any criterion. An output is a row of a matrix, an output channel of a convolution.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from audio_lottery.allocation.base import allocations
from audio_lottery.allocation.uniform import Uniform
from audio_lottery.errors import LotteryError
from audio_lottery.granularity.base import as_matrix
from audio_lottery.selection import Scores


@allocations.register("output")
@dataclass(frozen=True)
class Output(Uniform):
    """No options. For single weights; tensors have one density, as with uniform."""

    def choose(self, scores: Mapping[str, Scores], count: int, within: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The lowest scores of each output of one tensor go, ``count`` in all."""
        (name, score), = scores.items()
        return {name: _choose(name, score if isinstance(score, Tensor) else score(), count, within[name])}


def _choose(name: str, score: Tensor, count: int, within: Tensor) -> Tensor:
    rows, columns = as_matrix(tuple(score.shape))
    values, mask = score.detach().cpu().reshape(rows, columns), within.cpu().reshape(rows, columns)
    if bool((values.isnan() & mask).any()):
        raise LotteryError(f"{name}: NaN among its scores: training diverged, prune an earlier state")
    alive = mask.sum(1)
    quota = level(alive, int(alive.sum()) - count)
    # What is pruned already goes first, then the lowest, of equal ones the first.
    order = values.masked_fill(~mask, float("-inf")).argsort(dim=1, stable=True)
    ranks = torch.empty_like(order).scatter_(1, order, torch.arange(columns).expand(rows, columns))
    return ((ranks >= columns - quota[:, None]) & mask).reshape(within.shape).to(within.device)


def level(alive: Tensor, keep: int) -> Tensor:
    """How many weights each output keeps of those ``alive``: the same number, as far as they have it, ``keep`` in all.

    A remainder goes to the first outputs that have one more.
    """
    low, high = 0, int(alive.max())
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if int(alive.clamp(max=middle).sum()) <= keep else (low, middle - 1)
    quota = alive.clamp(max=low)
    more = (alive > low).nonzero()[:keep - int(quota.sum()), 0]
    quota[more] += 1
    return quota
