"""n-gram language models over a recogniser's tokens: ARPA files, read here or by KenLM where it is installed."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.lm.query import Arpa, kenlm_model
from audio_lottery.lm.text import check_tokens

BINARY = b"mmap lm http"  # how KenLM's binary files begin


class LanguageModel:
    """log10 probabilities of tokens; a state stands for the tokens before."""

    def start(self):
        """The state before the first token."""
        raise NotImplementedError

    def score(self, state, token: int) -> tuple[float, object]:
        """log10 P(token | state), and the state after it."""
        raise NotImplementedError

    def end(self, state) -> float:
        """log10 probability that the sentence ends here."""
        raise NotImplementedError


class ArpaModel(LanguageModel):
    """Read by the toolkit itself."""

    def __init__(self, path: str | Path, tokens: Sequence[str]):
        self._model, self._tokens = Arpa.read(path), tokens
        self._known: dict[tuple, float] = {}

    def start(self) -> tuple[str, ...]:
        return ("<s>",)

    def score(self, state: tuple[str, ...], token: int) -> tuple[float, tuple[str, ...]]:
        word = self._tokens[token]
        return self._log10(word, state), (*state, word)[max(0, len(state) + 2 - self._model.order) :]

    def end(self, state: tuple[str, ...]) -> float:
        return self._log10("</s>", state)

    def _log10(self, word: str, context: tuple[str, ...]) -> float:
        key = (context, word)
        if key not in self._known:
            if len(self._known) > 1_000_000:
                self._known.clear()
            self._known[key] = self._model.log10(word, context)
        return self._known[key]


class KenLMModel(LanguageModel):
    """Read by KenLM: faster, and its binary files too."""

    def __init__(self, path: str | Path, tokens: Sequence[str]):
        import kenlm

        self._model = kenlm_model(path)
        self._state, self._tokens = kenlm.State, tokens

    def start(self):
        state = self._state()
        self._model.BeginSentenceWrite(state)
        return state

    def score(self, state, token: int):
        after = self._state()
        return self._model.BaseScore(state, self._tokens[token], after), after

    def end(self, state) -> float:
        return self._model.BaseScore(state, "</s>", self._state())


def read(path: str | Path, tokens: Sequence[str]) -> LanguageModel:
    """A model over ``tokens``. LotteryError: not readable, or it knows none of the tokens."""
    try:
        with open(path, "rb") as stream:
            binary = stream.read(len(BINARY)) == BINARY
    except OSError as error:
        raise LotteryError(f"{path}: {error.strerror}: give an ARPA file over the model's tokens") from None
    if not binary:
        check_tokens(path, tokens, "the ticket")
    if not importlib.util.find_spec("kenlm"):
        if binary:
            raise LotteryError(f"{path}: a binary of KenLM needs its module: pip install kenlm, or give the ARPA file")
        return ArpaModel(path, tokens)
    try:
        return KenLMModel(path, tokens)
    except (OSError, RuntimeError) as error:
        if not binary:
            return ArpaModel(path, tokens)  # KenLM has no unigram models
        reason = " ".join(str(error).split())[:200]
        raise LotteryError(f"{path}: KenLM cannot read it ({reason}): make it again, or give the ARPA file") from None
