"""Exact selection of the k smallest scores over many tensors.

A radix selection on the bits of the scores: IEEE floats order like integers (negative ones
backwards), so a histogram of their top 16 bits finds the bucket that holds the k-th smallest score,
and histograms of the next 16 bits within that bucket refine it. Linear time, no sort, and beyond
the results memory for one tensor's scores and a chunk. It runs on the CPU, wherever the scores are.

Scores are tensors, or functions that give one (called once per pass, so that only one tensor's
scores need to exist at a time). Equal scores go in order: tensors as given, lowest index first.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from audio_lottery.errors import LotteryError


@dataclass(frozen=True)
class Elementwise:
    """Scores of one tensor that depend on each weight alone: computed a chunk at a time, within the cache."""

    weights: Tensor
    function: Callable[[Tensor], Tensor]

    def __call__(self) -> Tensor:
        """All of them."""
        return self.function(self.weights.detach())

    @property
    def dtype(self) -> torch.dtype:
        """Their type, that of the weights."""
        return self.weights.dtype


Scores = Tensor | Elementwise | Callable[[], Tensor]

CHUNK = 1 << 17  # elements; small enough to stay in the cache
DIGIT = 16  # bits per histogram
BUCKETS = 1 << DIGIT
WIDTH = 32  # bits of a score, unless it is float64


@dataclass(frozen=True)
class Cut:
    """The k smallest scores are those below ``threshold`` and the first ``ties`` equal to it."""

    threshold: float
    ties: int


def find_cut(scores: Mapping[str, Scores], k: int, within: Mapping[str, Tensor]) -> Cut:
    """The cut that takes exactly ``k`` scores, of those where ``within`` is True.

    scores: name -> float tensor of any shape, or a function that gives it; one type for all.
    within: name -> bool tensor of the same shape.
    Raises LotteryError for a NaN score and when k is more than there are.
    """
    if k <= 0:
        return Cut(float("-inf"), 0)
    left, bits, width, prefix = k, 0, WIDTH, 0
    while bits < width:
        total = np.zeros(BUCKETS, np.int64)
        for name, score in scores.items():
            tensor = _get(score)
            counts = _histogram(tensor, within[name], bits, prefix)
            if not bits:
                width = 64 if tensor.dtype == torch.float64 else WIDTH
                _refuse_nan(name, tensor, within[name], counts)
            total += counts
        order = _order(bits, prefix)
        below = total[order].cumsum()
        if left > below[-1]:
            raise LotteryError(f"prune: {k} weights asked for and only {below[-1]} remain: prune fewer")
        place = int(below.searchsorted(left))
        left -= int(below[place] - total[order[place]])
        digit = int(order[place])
        prefix = prefix << DIGIT | digit if bits else digit - BUCKETS // 2
        bits += DIGIT
    return Cut(_float(prefix, width), left)


def remaining(scores: Mapping[str, Scores], k: int, within: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``within`` without the ``k`` smallest scores: name -> bool tensor. Arguments as find_cut."""
    cut = find_cut(scores, k, within)
    ties = cut.ties
    # All results first: between the scores' comings and goings they would fragment the heap.
    result = {name: torch.empty(within[name].shape, dtype=torch.bool) for name in scores}
    for name, score in scores.items():
        flat = result[name].view(-1).numpy()
        for start, values, mask in _chunks(_get(score), within[name]):
            chunk = flat[start : start + len(values)]
            np.greater_equal(values, cut.threshold, out=chunk)
            chunk &= mask
            if ties:
                equal = np.flatnonzero((values == cut.threshold) & mask)[:ties]
                chunk[equal] = False
                ties -= len(equal)
    return {name: kept.to(within[name].device) for name, kept in result.items()}


def _histogram(scores: Tensor | Elementwise, within: Tensor, bits: int, prefix: int) -> np.ndarray:
    """Counts of the next digit among the scores whose first ``bits`` bits are ``prefix``.

    Bits are read as a signed integer. The first digit is counted from its smallest value on.
    """
    total = np.zeros(BUCKETS, np.int64)
    for _, values, mask in _chunks(scores, within):
        width = 8 * values.itemsize
        keys = values.view(f"i{values.itemsize}")
        if bits:
            # Those from prefix 00..0 to prefix 11..1: as unsigned numbers, less than 2^rest above the first.
            above = (keys - keys.dtype.type(prefix << width - bits)).view(f"u{values.itemsize}")
            places = np.flatnonzero(above < 1 << width - bits)
            keys = keys[places[mask[places]]]
            total += np.bincount(keys >> width - bits - DIGIT & BUCKETS - 1, minlength=BUCKETS)
        else:
            # torch counts int32 as they are, where numpy first makes an int64 copy; and to count
            # the pruned ones in buckets of their own is cheaper than to gather the others.
            digits = torch.from_numpy(keys >> width - DIGIT).add_(BUCKETS // 2)
            if not mask.all():
                digits.add_(torch.from_numpy(~mask), alpha=BUCKETS)
            total += torch.bincount(digits, minlength=BUCKETS)[:BUCKETS].numpy()
    return total


def _chunks(scores: Tensor | Elementwise, within: Tensor) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """(start, scores, mask) of each chunk: flat, float32 or float64, no -0.0."""
    weights, function = (scores.weights, scores.function) if isinstance(scores, Elementwise) else (scores, None)
    values, mask = weights.detach().reshape(-1), within.reshape(-1)
    for start in range(0, len(values), CHUNK):
        part = values[start : start + CHUNK].cpu()
        part = function(part) if function else part
        part = (part if part.element_size() >= 4 else part.float()).numpy()
        if part.view(f"i{part.itemsize}").min(initial=0) < 0:  # a sign bit: found faster than by signbit()
            part = part + part.dtype.type(0)  # -0.0 becomes 0.0: the two are equal
        yield start, part, mask[start : start + CHUNK].cpu().numpy()


def _order(bits: int, prefix: int) -> np.ndarray:
    """The places of a histogram in the order of the floats: negative ones run backwards."""
    places, half = np.arange(BUCKETS), BUCKETS // 2
    if not bits:
        return np.concatenate((places[:half][::-1], places[half:]))
    return places[::-1] if prefix < 0 else places


def _float(bits: int, width: int) -> float:
    """The float that has these bits, given as a signed integer."""
    return float(np.array(bits, f"i{width // 8}").view(f"f{width // 8}"))


def _refuse_nan(name: str, scores: Tensor | Elementwise, within: Tensor, counts: np.ndarray) -> None:
    # Infinity and NaN share their exponent: only when it occurs look closer.
    half, exponent = BUCKETS // 2, 0x7FF0 if scores.dtype == torch.float64 else 0x7F80
    if counts[exponent:half].any() or counts[half + exponent :].any():
        values = scores() if isinstance(scores, Elementwise) else scores.detach()
        if (values.cpu().isnan() & within.cpu()).any():
            raise LotteryError(f"{name}: NaN among its scores: training diverged, prune an earlier state")


def _get(score: Scores) -> Tensor | Elementwise:
    return score if isinstance(score, Tensor | Elementwise) else score()
