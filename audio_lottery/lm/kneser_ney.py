"""Interpolated modified Kneser-Ney estimation, as KenLM's lmplz does it.

Sources: Chen and Goodman, "An empirical study of smoothing techniques for language modeling", 1998
(equation 26 gives the discounts); Heafield, Pouzyrevsky, Clark and Koehn, "Scalable modified Kneser-Ney
language model estimation", ACL 2013 (adjusted counts, interpolation down to the uniform distribution);
KenLM's lm/builder for pruning and for what the papers leave open.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from audio_lottery.errors import LotteryError
from audio_lottery.lm.counts import BOS, EOS, Counts, Grams

FALLBACK = (0.5, 1.0, 1.5)


@dataclass
class Model:
    """An estimated model; ``probability[k]`` and ``backoff[k]`` are linear, shape (n-grams of order k+1,).

    ``keep[k]`` says which n-grams the threshold left. ``discounts[k]`` is (D1, D2, D3+).
    ``fallback`` lists the orders (from 1) whose discounts could not be computed from the data.
    """

    counts: Counts
    probability: list[np.ndarray]
    backoff: list[np.ndarray]
    keep: list[np.ndarray]
    discounts: list[tuple[float, float, float]]
    fallback: list[int]


def estimate(counts: Counts, prune: Sequence[int] = (), discount_fallback: bool = True) -> Model:
    """Estimate a model of the order that was counted.

    ``prune``: n-grams of order k seen at most ``prune[k-1]`` times are dropped, as ``lmplz --prune``;
    the last value holds for the higher orders. Where equation 26 is undefined (no n-gram with an
    adjusted count of 1, 2 or 3, common for characters) or out of range, ``discount_fallback`` puts
    0.5, 1, 1.5 in place; without it that is a LotteryError.
    """
    orders = counts.orders
    thresholds = prune_thresholds(prune, len(orders))
    adjusted = adjusted_counts(orders)
    keep = [grams.count > threshold for grams, threshold in zip(orders, thresholds, strict=True)]
    keep[0][: EOS + 1] = True
    discounts, missing = [], []
    for k, seen in enumerate(_counts_for_discounts(orders, adjusted)):
        discount, problem = closed_form_discounts(seen)
        if problem and not discount_fallback:
            raise LotteryError(f"n-gram text: {k + 1}-gram discounts are undefined, {problem}: use more text, "
                               "a lower order, or --discount_fallback true")
        if problem:
            missing.append(k + 1)
        discounts.append(FALLBACK if problem else discount)
    lower = np.array([1.0 / (keep[0].sum() - 1)])  # uniform over the words with <unk>, without <s>
    probabilities, gammas = [], []
    for k, grams in enumerate(orders):
        contexts = 1 if k == 0 else len(orders[k - 1])
        direct, gamma = _discounted(grams, adjusted[k], keep[k], discounts[k], contexts)
        lower = direct + gamma[grams.context] * lower[grams.suffix]
        if k == 0:
            lower[BOS] = 1.0  # never predicted; lmplz writes it so
        probabilities.append(lower)
        gammas.append(gamma)
    backoffs = [*gammas[1:], np.ones(len(orders[-1]))]
    return Model(counts, probabilities, backoffs, keep, discounts, missing)


def adjusted_counts(orders: Sequence[Grams]) -> list[np.ndarray]:
    """Kneser-Ney's counts: how many different words stand before the n-gram.

    The highest order, and n-grams that start with <s> (nothing can stand before them), keep their counts.
    """
    adjusted = []
    for grams, higher in zip(orders, orders[1:], strict=False):
        before = np.bincount(higher.suffix, minlength=len(grams))
        adjusted.append(np.where(grams.from_start, grams.count, before))
    return [*adjusted, orders[-1].count]


def closed_form_discounts(adjusted: np.ndarray) -> tuple[tuple[float, float, float], str | None]:
    """Discounts D1, D2, D3+ of Chen and Goodman's equation 26, and what is wrong with them if anything."""
    n = np.bincount(adjusted[adjusted < 5], minlength=5).astype(float)
    for j in (1, 2, 3):
        if not n[j]:
            return (0.0, 0.0, 0.0), f"nothing in the text has an adjusted count of {j}"
    y = n[1] / (n[1] + 2 * n[2])
    discounts = tuple(j - (j + 1) * y * n[j + 1] / n[j] for j in (1, 2, 3))
    for j, discount in enumerate(discounts, 1):
        if not 0 <= discount <= j:
            return discounts, f"the one for an adjusted count of {j} would be {discount:.3f}"
    return discounts, None


def prune_thresholds(prune: Sequence[int], order: int) -> list[int]:
    """One threshold an order; the last one given holds for the rest. They may not decrease."""
    thresholds = list(prune) or [0]
    if len(thresholds) > order:
        raise LotteryError(f"--prune: {len(thresholds)} thresholds for a model of order {order}: give at most {order}")
    if min(thresholds) < 0 or thresholds != sorted(thresholds):
        raise LotteryError(f"--prune: {' '.join(map(str, thresholds))} decreases or is negative: an n-gram cannot "
                           "stay when its part is dropped, give non-decreasing thresholds such as 0 0 1")
    return thresholds + [thresholds[-1]] * (order - len(thresholds))


def _counts_for_discounts(orders: Sequence[Grams], adjusted: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The counts that enter the counts of counts.

    lmplz takes the raw count instead of the adjusted one for the very last n-gram of each lower order
    (adjust_counts.cc, after its main loop). On small texts this moves the discounts, so it is kept.
    """
    seen = [counts.copy() for counts in adjusted]
    for k in range(len(orders) - 1):
        if k and orders[k].suffix[-1] != len(orders[k - 1]) - 1:
            break
        seen[k][-1] = orders[k].count[-1]
    return seen


def _discounted(grams: Grams, adjusted: np.ndarray, keep: np.ndarray, discounts: Sequence[float], contexts: int):
    """Discounted relative counts, shape (n,), and the mass left for the lower order, shape (contexts,).

    All of a dropped n-gram's count goes to the lower order. What is no context has a mass of 1.
    """
    off = np.array([0.0, *discounts])[np.minimum(adjusted, 3)]
    off[~keep] = adjusted[~keep]
    total = np.bincount(grams.context, weights=adjusted, minlength=contexts)
    left = np.bincount(grams.context, weights=off, minlength=contexts)
    gamma = np.divide(left, total, out=np.ones(contexts), where=total > 0)
    return (adjusted - off) / np.maximum(total, 1)[grams.context], gamma
