"""Counts of all n-grams of a text, in numpy.

An n-gram is one integer per order. The id of a k-gram is its place among the sorted pairs (id of its
last k-1 words, its first word), so a key always fits in 64 bits, whatever the order, and ids of every
order stand in the order in which KenLM sorts n-grams (compared from the last word backwards).
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from audio_lottery.errors import LotteryError

UNK, BOS, EOS = 0, 1, 2
SPECIAL = ("<unk>", "<s>", "</s>")


@dataclass
class Grams:
    """The distinct n-grams of one order; all arrays have shape (n,).

    ``last``: word id of the last word. ``context``: id, one order down, of all words but the last.
    ``suffix``: id, one order down, of all words but the first. ``count``: how often it was seen.
    ``from_start``: whether its first word is <s>. Of order 1, ``context`` is 0 everywhere.
    """

    last: np.ndarray
    context: np.ndarray
    suffix: np.ndarray
    count: np.ndarray
    from_start: np.ndarray

    def __len__(self) -> int:
        return len(self.last)


@dataclass
class Counts:
    """``words[i]`` is the word with id i (<unk>, <s>, </s> first); ``orders[k]`` has the (k+1)-grams.

    ``longest``: tokens of the longest sentence, with <s> and </s>.
    """

    words: list[str]
    orders: list[Grams]
    tokens: int
    sentences: int
    longest: int

    def vocabulary(self) -> dict[str, int]:
        """The text's words and how often they were seen."""
        return dict(zip(self.words[EOS + 1 :], self.orders[0].count[EOS + 1 :].tolist(), strict=True))


def check_order(order: int, longest: int) -> None:
    """LotteryError when no sentence has an n-gram of this order."""
    if order > longest:
        raise LotteryError(f"n-gram text: order {order} is too high, the longest sentence has {longest} tokens "
                           f"with <s> and </s>: use an order of at most {longest}")


def count_ngrams(sentences: Iterable[Sequence[str]], order: int) -> Counts:
    """Count the n-grams of orders 1 to ``order`` of ``<s> sentence </s>``; <s> itself is never counted.

    Word ids follow first appearance, as in lmplz. Raises LotteryError on an empty text, on <s>, </s> or
    <unk> in it, and when no sentence is long enough for the order.
    """
    words, flat = _word_ids(sentences)
    starts = np.flatnonzero(flat == BOS)
    if not len(starts):
        raise LotteryError("n-gram text: no sentence in it: give a text with one sentence a line")
    place = np.arange(len(flat)) - np.repeat(starts, np.diff(np.append(starts, len(flat))))
    longest = int(place.max()) + 1
    check_order(order, longest)
    orders = [_unigrams(flat, len(words))]
    ids = flat
    for k in range(2, order + 1):
        grams, ids = _extend(flat, ids, place, k, len(words))
        orders.append(grams)
    return Counts(words, orders, len(flat) - 2 * len(starts), len(starts), longest)


def _word_ids(sentences: Iterable[Sequence[str]]) -> tuple[list[str], np.ndarray]:
    index = {word: i for i, word in enumerate(SPECIAL)}
    flat = array("q")  # 8 bytes a word, where a list of the words takes 60
    for number, sentence in enumerate(sentences, 1):
        ids = [index.setdefault(word, len(index)) for word in sentence]
        if ids and min(ids) <= EOS:
            word = next(word for word in sentence if word in SPECIAL)
            raise LotteryError(f"n-gram text: sentence {number} has the word {word}, which the model itself "
                               "uses: remove it from the text")
        flat.extend([BOS, *ids, EOS])
    return list(index), np.array(flat, dtype=np.int64)


def _unigrams(flat: np.ndarray, vocabulary: int) -> Grams:
    count = np.bincount(flat, minlength=vocabulary)
    count[BOS] = 0
    ids = np.arange(vocabulary)
    zero = np.zeros(vocabulary, dtype=np.int64)
    return Grams(ids, zero, zero, count, ids == BOS)


def _extend(flat: np.ndarray, ids: np.ndarray, place: np.ndarray, k: int, vocabulary: int):
    """The k-grams, and the k-gram id ending at each position, from the (k-1)-gram ids ``ids``.

    Positions with fewer than k words before them (``place`` < k - 1) keep a meaningless id.
    """
    at = np.flatnonzero(place >= k - 1)
    keys = ids[at] * vocabulary + flat[at - k + 1]
    unique, first, inverse, count = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    example = at[first]
    suffix, first_word = np.divmod(unique, vocabulary)
    grams = Grams(flat[example], ids[example - 1], suffix, count, first_word == BOS)
    extended = np.zeros_like(ids)
    extended[at] = inverse
    return grams, extended
