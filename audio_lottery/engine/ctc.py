"""CTC: from posteriors to tokens."""

from typing import NamedTuple

import numpy as np


class Token(NamedTuple):
    """A recognised token: its id, the frames it lies on [first, last], and their mean log probability."""

    id: int
    first: int
    last: int
    score: float


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """[tokens, frames] -> log probabilities of each frame."""
    shifted = logits - logits.max(0)
    return shifted - np.log(np.exp(shifted).sum(0))


def greedy(log_probs: np.ndarray, blank: int = 0) -> list[Token]:
    """The most probable token of each frame, repetitions merged, blanks removed. [tokens, frames]."""
    best = log_probs.argmax(0)
    edges = np.flatnonzero(np.diff(best, prepend=-1, append=-1))
    return [
        Token(int(best[first]), int(first), int(end - 1), float(log_probs[best[first], first:end].mean()))
        for first, end in zip(edges[:-1], edges[1:], strict=True)
        if best[first] != blank
    ]
