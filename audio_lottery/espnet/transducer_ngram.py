"""Shallow fusion of an n-gram language model in ESPnet's transducer search, which itself takes neural models only."""

import functools

import kenlm
import torch
from espnet2.asr_transducer.beam_search_transducer import BeamSearchTransducer, Hypothesis

from audio_lottery.lm.query import kenlm_model

REMEMBERED = 20_000  # histories whose scores are kept


class NgramScorer:
    """An n-gram model in the place of a neural one: the same calls, no state but the labels so far.

    Its scores are ``weight * log10 P(token | history) + penalty``: ESPnet's n-gram scorer for CTC and attention
    works in log10 too, so ``ngram_weight`` means the same everywhere. ``token_list``: the recipe's tokens in order;
    the last, ``<sos/eos>``, is no label that a transducer may say, though n-gram models give it a probability.
    """

    rnn_type = "n-gram"  # ESPnet's search asks whether its model has one

    def __init__(self, ngram_file: str, token_list: list[str], weight: float, penalty: float):
        self.model = kenlm_model(ngram_file)
        self.tokens = list(token_list)
        self.weight, self.penalty = weight, penalty
        self._next = functools.lru_cache(REMEMBERED)(self._all_next)

    def zero_state(self) -> None:
        """No state."""

    def score(self, y: torch.Tensor, state: None, x: None) -> tuple[torch.Tensor, None]:
        """Scores (V,) of each token after the labels ``y`` (n,), whose first is the start of the sentence."""
        return self._next(self._history(y[1:].tolist())), None

    def batch_score(self, ys: torch.Tensor, states: list, x: None) -> tuple[torch.Tensor, list]:
        """The same for labels (B, n) with blanks (0) between the start and the first label: scores (B, V)."""
        scores = [self._next(self._history([label for label in row[1:] if label])) for row in ys.tolist()]
        return torch.stack(scores), [None] * len(scores)

    def end(self, labels: list[int]) -> float:
        """``weight * log10 P(</s> | labels)``."""
        state = self._state(self._history(labels))
        return self.weight * self.model.BaseScore(state, "</s>", kenlm.State())

    def _history(self, labels: list[int]) -> tuple[str, ...]:
        """The words that the model looks back at."""
        words = ("<s>", *(self.tokens[label] for label in labels))
        return words[max(0, len(words) - self.model.order + 1):]

    def _state(self, history: tuple[str, ...]) -> kenlm.State:
        state, after = kenlm.State(), kenlm.State()
        self.model.NullContextWrite(state)
        for word in history:
            if word == "<s>":
                self.model.BeginSentenceWrite(after)
            else:
                self.model.BaseScore(state, word, after)
            state, after = after, state
        return state

    def _all_next(self, history: tuple[str, ...]) -> torch.Tensor:
        state, after = self._state(history), kenlm.State()
        scores = [self.model.BaseScore(state, token, after) for token in self.tokens]
        fused = self.weight * torch.tensor(scores) + self.penalty
        fused[-1] = -torch.inf
        return fused


class NgramSearch(BeamSearchTransducer):
    """ESPnet's search with ``lm`` an :class:`NgramScorer`: finished hypotheses also get the sentence end's score."""

    def sort_nbest(self, hyps: list[Hypothesis]) -> list[Hypothesis]:
        """The best, with the end of the sentence scored; called once, after the last frame."""
        for hyp in hyps:
            hyp.score += self.lm.end(hyp.yseq[1:])
        return super().sort_nbest(hyps)


def with_ngram(search: BeamSearchTransducer, options: dict, scorer: NgramScorer) -> NgramSearch:
    """``search`` with its networks, and an n-gram model; ``options``: the rest of what ESPnet builds it from."""
    return NgramSearch(search.decoder, search.joint_network, lm=scorer, lm_weight=1.0, **options)
