"""Is a ticket worse than the dense model? Tests on the same utterances, not by eye."""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

EXACT_UP_TO = 16  # non-zero differences whose 2^n signs are all tried
_CHUNK = 1 << 22  # random numbers drawn at once, to bound the memory


def bootstrap_interval(
    errors: Sequence[int],
    words: Sequence[int],
    *,
    confidence: float = 0.95,
    samples: int = 10000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a WER in %, over utterances.

    ``errors`` and ``words`` (of the reference) are per utterance, shape [utterances]. Utterances are
    drawn with replacement and the WER is that of the whole draw, its words counted too. Source:
    M. Bisani and H. Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation",
    ICASSP 2004. Draws that hold no word of a reference are left out; (0, 0) if there are only such.
    """
    pairs = np.stack([np.asarray(errors, float), np.asarray(words, float)])
    size = pairs.shape[1]
    generator = np.random.default_rng(seed)
    rates = []
    step = max(1, _CHUNK // max(size, 1))
    for start in range(0, samples, step):
        draws = generator.integers(size, size=(min(step, samples - start), size))
        summed_errors, summed_words = pairs[0][draws].sum(1), pairs[1][draws].sum(1)
        kept = summed_words > 0
        rates.append(100 * summed_errors[kept] / summed_words[kept])
    rates = np.concatenate(rates)
    if not rates.size:
        return 0.0, 0.0
    tail = 50 * (1 - confidence)
    low, high = np.percentile(rates, [tail, 100 - tail])
    return float(low), float(high)


def permutation_p_worse(
    ticket: Sequence[int], dense: Sequence[int], *, samples: int = 10000, seed: int = 0
) -> float:
    """One-sided p of "the ticket is worse", by flipping the signs of paired differences.

    ``ticket`` and ``dense`` are errors per utterance, shape [utterances], of the same utterances. If
    the two systems are equally good, each utterance's difference is as likely with the other sign
    (R. A. Fisher, "The Design of Experiments", 1935, section 21). p is the share of sign patterns whose
    summed difference is at least the one seen: of all patterns for up to 16 non-zero differences, else
    estimated as (b + 1) / (n + 1) from n random patterns, b of them at least as large (B. Phipson and
    G. K. Smyth, "Permutation p-values should never be zero", 2010). Without differences p is 1.
    """
    difference = np.asarray(ticket, np.int64) - np.asarray(dense, np.int64)
    difference = difference[difference != 0]
    if not difference.size:
        return 1.0
    seen = difference.sum()
    if difference.size <= EXACT_UP_TO:
        signs = np.array(list(product((-1, 1), repeat=difference.size)))
        return float(np.mean(signs @ difference >= seen))
    generator = np.random.default_rng(seed)
    at_least = 0
    step = max(1, _CHUNK // difference.size)
    for start in range(0, samples, step):
        signs = generator.integers(0, 2, size=(min(step, samples - start), difference.size)) * 2 - 1
        at_least += int(np.sum(signs @ difference >= seen))
    return (at_least + 1) / (samples + 1)


def matched_pairs_p_worse(ticket: Sequence[int], dense: Sequence[int]) -> float:
    """One-sided p of "the ticket is worse" by the matched-pairs z test.

    L. Gillick and S. J. Cox, "Some statistical issues in the comparison of speech recognition
    algorithms", ICASSP 1989, section 4, with utterances as segments (their errors must be independent,
    which holds where utterances are decoded one by one). The mean difference over its standard error is
    taken as normal: for some 50 utterances or more. Equal differences everywhere give p 0, 0.5 or 1.
    """
    difference = np.asarray(ticket, float) - np.asarray(dense, float)
    mean = difference.mean()
    spread = difference.std(ddof=1) if difference.size > 1 else 0.0
    if spread == 0:
        return 0.5 if mean == 0 else float(mean < 0)
    z = mean / (spread / math.sqrt(difference.size))
    return 0.5 * math.erfc(z / math.sqrt(2))


TESTS = {"permutation": permutation_p_worse, "mapsswe": matched_pairs_p_worse}


def matches(
    p_worse: float, wer: float, dense_wer: float, *, alpha: float = 0.05, margin: float | None = None
) -> bool:
    """Whether a ticket matches the dense model: it is not significantly worse at level ``alpha``.

    With ``margin`` (absolute, in points of WER) it must also lie within that of the dense model, which
    guards against a small set that can show nothing.
    """
    return p_worse >= alpha and (margin is None or wer <= dense_wer + margin)
