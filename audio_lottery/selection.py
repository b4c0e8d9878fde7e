"""Exact selection of the k smallest scores over many tensors.

A radix selection on the bits of the scores: IEEE floats order like integers once negative ones are
flipped, so a histogram of the top 16 bits finds the bucket that holds the k-th smallest score, and
histograms of the next 16 bits within that bucket refine it. Linear time, no sort, and memory for a
chunk and one tensor's scores beyond the results.

Scores are tensors, or functions that give one (called once per pass, so that only one tensor's
scores need to exist at a time). Equal scores go in order: tensors as given, lowest index first.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from audio_lottery.errors import LotteryError

Scores = Tensor | Callable[[], Tensor]

CHUNK = 1 << 18  # elements; a chunk and its keys stay in the cache
DIGIT = 16  # bits per histogram


@dataclass(frozen=True)
class Cut:
    """The k smallest scores are those below ``threshold`` and the first ``ties`` equal to it."""

    threshold: float
    ties: int


def find_cut(scores: Mapping[str, Scores], k: int, within: Mapping[str, Tensor]) -> Cut:
    """The cut that takes exactly ``k`` scores, of those where ``within`` is True.

    scores: name -> float tensor of any shape, or a function that gives it.
    within: name -> bool tensor of the same shape.
    Raises LotteryError for a NaN score and when k is more than there are.
    """
    if k <= 0:
        return Cut(float("-inf"), 0)
    width = 64 if any(_get(score).dtype == torch.float64 for score in scores.values()) else 32
    prefix, left = 0, k
    for shift in range(width - DIGIT, -1, -DIGIT):
        histogram = _histogram(scores, within, width, shift, prefix)
        below = histogram.cumsum(0)
        if left > int(below[-1]):
            raise LotteryError(f"cannot prune {k} weights: only {int(below[-1])} remain: prune fewer")
        digit = int(torch.searchsorted(below, left))
        left -= int(below[digit]) - int(histogram[digit])
        prefix = prefix << DIGIT | digit
    return Cut(_from_key(prefix, width), left)


def remaining(scores: Mapping[str, Scores], k: int, within: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``within`` without the ``k`` smallest scores: name -> bool tensor. Arguments as find_cut."""
    cut = find_cut(scores, k, within)
    ties = cut.ties
    result = {}
    for name, score in scores.items():
        kept = torch.empty(within[name].shape, dtype=torch.bool, device=within[name].device)
        flat = kept.view(-1)
        for start, values, mask in _chunks(_get(score), within[name]):
            above = torch.ge(values, cut.threshold).logical_and_(mask)
            if ties:
                equal = torch.eq(values, cut.threshold).logical_and_(mask).nonzero().view(-1)[:ties]
                above[equal] = False
                ties -= len(equal)
            flat[start : start + len(values)] = above
        result[name] = kept
    return result


def _histogram(scores, within, width: int, shift: int, prefix: int) -> Tensor:
    """Counts of the digit at ``shift`` among the scores whose higher digits are ``prefix``."""
    size = 1 << DIGIT
    total = torch.zeros(size, dtype=torch.int64)
    for name, score in scores.items():
        for _, values, mask in _chunks(_get(score), within[name]):
            if shift == width - DIGIT:
                _refuse_nan(name, values, mask)
            keys = _keys(values, width)
            if shift == width - DIGIT:
                # The pruned ones go to an extra bucket: cheaper than gathering the others.
                digits = (keys >> shift).add_(size // 2).masked_fill_(~mask, size)
            else:
                higher = prefix - (1 << width - shift - DIGIT - 1)
                keys = keys[(keys >> shift + DIGIT).eq(higher).logical_and_(mask)]
                digits = (keys >> shift).bitwise_and_(size - 1)
            total += torch.bincount(digits, minlength=size + 1)[:size].cpu()
    return total


def _chunks(scores: Tensor, within: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    """(start, scores, mask) of each chunk, flat. Both on the mask's device."""
    values, mask = scores.detach().reshape(-1), within.reshape(-1)
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK].to(mask.device)
        yield start, part.float() if part.element_size() < 4 else part, mask[start : start + CHUNK]


def _keys(values: Tensor, width: int) -> Tensor:
    """Signed integers in the order of the floats; -0.0 and 0.0 get the same one."""
    if width == 64:
        bits = values.double().add(0.0).view(torch.int64)
        return bits ^ ((bits >> 63) & 0x7FFFFFFFFFFFFFFF)
    bits = values.add(0.0).view(torch.int32)
    return bits ^ ((bits >> 31) & 0x7FFFFFFF)


def _from_key(key: int, width: int) -> float:
    """The float of an unsigned (offset) key: the inverse of _keys."""
    largest = (1 << width - 1) - 1
    key -= largest + 1
    bits = key ^ largest if key < 0 else key
    kinds = (torch.int64, torch.float64) if width == 64 else (torch.int32, torch.float32)
    return torch.tensor(bits, dtype=kinds[0]).view(kinds[1]).item()


def _refuse_nan(name: str, values: Tensor, mask: Tensor) -> None:
    if values.max().isnan() and (values.isnan() & mask).any():
        raise LotteryError(f"{name}: its scores hold NaN: the training diverged, prune an earlier state")


def _get(score: Scores) -> Tensor:
    return score if isinstance(score, Tensor) else score()
