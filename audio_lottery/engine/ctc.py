"""CTC: from posteriors to tokens, by the best path."""

from typing import NamedTuple

import numpy as np


class Token(NamedTuple):
    """A recognised token: its id, the frames it lies on [first, last], and their mean log probability."""

    id: int
    first: int
    last: int
    score: float


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """[tokens, ...] -> log probabilities over the first dimension."""
    shifted = logits - logits.max(0)
    return shifted - np.log(np.exp(shifted).sum(0))


class Greedy:
    """The most probable token of each frame, repetitions merged, blanks removed."""

    def __init__(self, blank: int = 0):
        self._blank = blank
        self._best: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []

    def advance(self, log_probs: np.ndarray) -> None:
        """Go on over log probabilities [tokens, frames]."""
        self._best.append(log_probs.argmax(0))
        self._scores.append(log_probs.max(0))

    def tokens(self) -> list[Token]:
        """The tokens so far."""
        if not self._best:
            return []
        best, scores = np.concatenate(self._best), np.concatenate(self._scores)
        edges = np.flatnonzero(np.diff(best, prepend=-1, append=-1))
        return [
            Token(int(best[first]), int(first), int(end - 1), float(scores[first:end].mean()))
            for first, end in zip(edges[:-1], edges[1:], strict=True)
            if best[first] != self._blank
        ]
