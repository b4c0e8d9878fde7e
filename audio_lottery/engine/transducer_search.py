"""Searches for RNN transducers: greedy, and two that find what ESPnet's searches of the same names find.

Each takes frames as they come (``advance``) and tells the best tokens so far (``tokens``).
"""

from typing import NamedTuple

import numpy as np

from audio_lottery.engine.ctc import Token
from audio_lottery.engine.prefix_beam import Fusion
from audio_lottery.engine.transducer import Prediction, State, Transducer

MOST_A_FRAME = 10  # tokens that the greedy search takes from one frame
MOST_EXPANSIONS = 2000  # of one frame by the default search, which has no bound of its own
MOST_KEPT = 4096  # outputs of the prediction network


class Hypothesis(NamedTuple):
    """Tokens so far (the first is blank), their log probability (with what the n-gram model adds), where each was
    found."""

    score: float
    ids: tuple[int, ...]
    found: tuple[tuple[int, float], ...]  # frame and log probability of each token
    state: State  # of the prediction network, before the last token
    history: object = None  # the n-gram model's state, after the last token

    def blank(self, log_prob: float) -> "Hypothesis":
        """The same, one frame later."""
        return self._replace(score=self.score + log_prob)

    def token(self, token: int, log_prob: float, frame: int, state: State) -> "Hypothesis":
        """One token more."""
        found = (*self.found, (frame, log_prob))
        return Hypothesis(self.score + log_prob, (*self.ids, token), found, state, self.history)


class Search:
    """What the searches share; each has its own ``_step``, which takes one frame [space]."""

    def __init__(self, transducer: Transducer, beam: int = 1, fusion: Fusion | None = None):
        self._net, self._fusion = transducer, fusion or Fusion()
        self._size = min(beam, transducer.tokens - 1)
        self._frame = 0  # number of the next one
        self._seen: dict[tuple[int, ...], Prediction] = {}
        model = self._fusion.model
        self._beam = [Hypothesis(0.0, (0,), (), transducer.start(), model.start() if model else None)]

    def advance(self, frames: np.ndarray) -> None:
        """Go on over frames [space, frames] of the encoder's part of the joint network."""
        for frame in frames.T:
            self._step(frame)
            self._frame += 1

    def tokens(self) -> list[Token]:
        """The best tokens so far, as if the utterance ended here."""
        best = max(self._beam, key=lambda hypothesis: hypothesis.score + self._end(hypothesis))
        found = zip(best.ids[1:], best.found, strict=True)
        return [Token(token, frame, frame, log_prob) for token, (frame, log_prob) in found]

    def _end(self, hypothesis: Hypothesis) -> float:
        model = self._fusion.model
        return self._fusion.weight * model.end(hypothesis.history) if model else 0.0

    def _fused(self, hypothesis: Hypothesis) -> Hypothesis:
        """With the n-gram model's score of its last token."""
        model, weight, penalty = self._fusion
        score, history, token = hypothesis.score + penalty, hypothesis.history, hypothesis.ids[-1]
        if model and token == self._net.tokens - 1:  # <sos/eos>: no label, though n-gram models may know it
            score = -np.inf
        elif model:
            log10, history = model.score(history, token)
            score += weight * log10
        return hypothesis._replace(score=score, history=history)

    def _step(self, frame: np.ndarray) -> None:
        raise NotImplementedError

    def _predict(self, hypothesis: Hypothesis) -> Prediction:
        prediction = self._seen.get(hypothesis.ids)
        if prediction is None:
            if len(self._seen) >= MOST_KEPT:
                self._seen.clear()
            prediction = self._net.predict(hypothesis.ids[-1], hypothesis.state)
            self._seen[hypothesis.ids] = prediction
        return prediction

    def _expand(self, hypothesis: Hypothesis, frame: np.ndarray) -> tuple[float, list[Hypothesis]]:
        """Log probability of blank, and the hypothesis with each of the most probable tokens, best first."""
        prediction = self._predict(hypothesis)
        log_probs = self._net.log_probs(frame, prediction)
        best = np.argsort(-log_probs[1:], kind="stable")[: self._size] + 1
        longer = (hypothesis.token(int(k), float(log_probs[k]), self._frame, prediction.state) for k in best)
        return float(log_probs[0]), [self._fused(one) for one in longer]


class Greedy(Search):
    """The best token of every frame, until that is blank."""

    def __init__(self, transducer: Transducer):
        super().__init__(transducer, 1)

    def _step(self, frame: np.ndarray) -> None:
        best = self._beam[0]
        for _ in range(MOST_A_FRAME):
            blank, (longer,) = self._expand(best, frame)
            if longer.score <= best.score + blank:
                best = best.blank(blank)
                break
            best = longer
        self._beam = [best]


class TimeSynchronous(Search):
    """ESPnet's ``search_type: tsd``: at most ``most - 1`` tokens a frame, ``most`` being its max_sym_exp.

    Source: Saon, Tüske, Audhkhasi, "Alignment-length synchronous decoding for RNN transducer" (ICASSP 2020).
    """

    def __init__(self, transducer: Transducer, beam: int, fusion: Fusion | None = None, most: int = 3):
        super().__init__(transducer, beam, fusion)
        self._most = most

    def _step(self, frame: np.ndarray) -> None:
        ended: dict[tuple[int, ...], Hypothesis] = {}
        active = self._beam
        for turn in range(self._most):
            longer: list[Hypothesis] = []
            for hypothesis in active:
                blank, more = self._expand(hypothesis, frame)
                longer += more
                done, same = hypothesis.blank(blank), ended.get(hypothesis.ids)
                if same is not None:
                    done = same._replace(score=float(np.logaddexp(same.score, done.score)))
                ended[hypothesis.ids] = done
            if turn + 1 < self._most:
                active = sorted(longer, key=_score, reverse=True)[: self._size]
        self._beam = sorted(ended.values(), key=_score, reverse=True)[: self._size]


class Default(Search):
    """ESPnet's ``search_type: default``, without prefix search. Source: Graves, arXiv:1211.3711."""

    def _step(self, frame: np.ndarray) -> None:
        active, ended = list(self._beam), []
        for _ in range(MOST_EXPANSIONS):
            best = max(range(len(active)), key=lambda i: active[i].score)
            hypothesis = active.pop(best)
            blank, longer = self._expand(hypothesis, frame)
            ended.append(hypothesis.blank(blank))
            active += longer
            top = max(other.score for other in active)
            better = sorted((other for other in ended if other.score > top), key=_score)
            if len(better) >= self._size:
                ended = better
                break
        self._beam = ended


def _score(hypothesis: Hypothesis) -> float:
    return hypothesis.score


SEARCHES = {"tsd": TimeSynchronous, "default": Default}
