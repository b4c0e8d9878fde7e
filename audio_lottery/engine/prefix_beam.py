"""CTC prefix beam search, with an n-gram language model where one is given.

Source: Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional recurrent
DNNs" (arXiv:1408.2873): a prefix sums the probabilities of all its paths, those that end in blank apart from those
that end in its last token.
"""

import heapq
import math
from typing import NamedTuple

import numpy as np

from audio_lottery.engine.ctc import Token
from audio_lottery.engine.language_model import LanguageModel

NEVER = -math.inf
MARGIN = 15.0  # tokens this much less probable (natural log) than a frame's best one are left out


class Fusion(NamedTuple):
    """How an n-gram model takes part: ESPnet's ``ngram_weight`` (times log10 probability) and ``penalty`` (added for
    every token)."""

    model: LanguageModel | None = None
    weight: float = 0.0
    penalty: float = 0.0


class Prefix:
    """A node in the tree of prefixes."""

    __slots__ = ("parent", "token", "children", "bonus", "state", "blank", "last", "next_blank", "next_last",
                 "peak", "frame")  # fmt: skip

    def __init__(self, parent: "Prefix | None", token: int, bonus: float, state):
        self.parent, self.token, self.bonus, self.state = parent, token, bonus, state
        self.children: dict[int, Prefix] = {}
        self.blank = self.last = self.next_blank = self.next_last = NEVER
        self.peak, self.frame = NEVER, 0  # where the last token was most probable

    @property
    def total(self) -> float:
        """Log probability of all paths."""
        return add(self.blank, self.last)


def add(a: float, b: float) -> float:
    """log(exp a + exp b)."""
    if a < b:
        a, b = b, a
    return a if b == NEVER else a + math.log1p(math.exp(b - a))


class PrefixBeam:
    """The search; takes frames as they come.

    beam: prefixes kept after every frame; blank is token 0
    """

    def __init__(self, beam: int, fusion: Fusion | None = None):
        self._size, self._fusion = beam, fusion or Fusion()
        model = self._fusion.model
        root = Prefix(None, 0, 0.0, model.start() if model else None)
        root.blank = 0.0
        self._beam = [root]
        self._frame = 0

    def advance(self, log_probs: np.ndarray) -> None:
        """Go on over log probabilities [tokens, frames]."""
        for column in log_probs.T:
            self._step(column)
            self._frame += 1

    def tokens(self) -> list[Token]:
        """The tokens of the best prefix so far, as if the utterance ended here."""
        node = max(self._beam, key=lambda prefix: prefix.total + prefix.bonus + self._end(prefix))
        tokens, following = [], self._frame
        while node.parent is not None:
            following = min(node.frame, following - 1)  # paths differ in where their tokens lie
            tokens.append(Token(node.token, following, following, node.peak))
            node = node.parent
        return tokens[::-1]

    def _end(self, prefix: Prefix) -> float:
        model = self._fusion.model
        return self._fusion.weight * model.end(prefix.state) if model else 0.0

    def _step(self, column: np.ndarray) -> None:
        near = np.flatnonzero(column > column.max() - MARGIN)
        tokens = [(token, float(column[token])) for token in near.tolist() if token]
        blank = float(column[0])
        touched: dict[int, Prefix] = {}
        for prefix in self._beam:
            total = prefix.total
            touched[id(prefix)] = prefix
            prefix.next_blank = add(prefix.next_blank, total + blank)
            for token, log_prob in tokens:
                if token == prefix.token and prefix.parent is not None:
                    self._visit(prefix, prefix.last + log_prob, log_prob)
                    before = prefix.blank  # the same token again needs a blank between
                else:
                    before = total
                if before > NEVER:
                    child = prefix.children.get(token) or self._child(prefix, token)
                    self._visit(child, before + log_prob, log_prob)
                    touched[id(child)] = child
        for prefix in touched.values():
            prefix.blank, prefix.last = prefix.next_blank, prefix.next_last
            prefix.next_blank = prefix.next_last = NEVER
        self._beam = heapq.nlargest(self._size, touched.values(), key=lambda prefix: prefix.total + prefix.bonus)
        kept = {id(prefix) for prefix in self._beam}
        for key, prefix in touched.items():  # one that falls out may come back, but with nothing of its past
            if key not in kept:
                prefix.blank = prefix.last = NEVER
                if not prefix.children and prefix.parent is not None:
                    prefix.parent.children.pop(prefix.token, None)

    def _visit(self, prefix: Prefix, log_prob: float, of_token: float) -> None:
        prefix.next_last = add(prefix.next_last, log_prob)
        if of_token > prefix.peak and log_prob > NEVER:
            prefix.peak, prefix.frame = of_token, self._frame

    def _child(self, prefix: Prefix, token: int) -> Prefix:
        model, bonus, state = self._fusion.model, prefix.bonus + self._fusion.penalty, None
        if model:
            score, state = model.score(prefix.state, token)
            bonus += self._fusion.weight * score
        child = prefix.children[token] = Prefix(prefix, token, bonus, state)
        return child
