"""Perplexity and out-of-vocabulary rate of a text."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.lm.query import Arpa, kenlm_model

Scores = Callable[[Sequence[str]], Iterable[tuple[float, bool]]]


@dataclass(frozen=True)
class Evaluation:
    """Sums over a text. ``log10`` includes the sentence ends and the unknown words, ``log10_oov`` is theirs."""

    sentences: int
    tokens: int
    oov: int
    log10: float
    log10_oov: float

    @property
    def perplexity(self) -> float:
        """Of all words and sentence ends, an unknown word counting as <unk>."""
        return 10 ** (-self.log10 / (self.tokens + self.sentences))

    @property
    def perplexity_without_oov(self) -> float:
        """Of the known words and the sentence ends."""
        return 10 ** (-(self.log10 - self.log10_oov) / (self.tokens - self.oov + self.sentences))


def evaluate(sentences: Iterable[Sequence[str]], scores: Scores) -> Evaluation:
    """Score a text with a model from :func:`load`."""
    count = tokens = oov = 0
    log10 = log10_oov = 0.0
    for sentence in sentences:
        count += 1
        tokens += len(sentence)
        for value, unknown in scores(sentence):
            log10 += value
            if unknown:
                oov += 1
                log10_oov += value
    if not count:
        raise LotteryError("perplexity: no sentence to evaluate: give a text with one sentence a line")
    return Evaluation(count, tokens, oov, log10, log10_oov)


def load(path: str | Path) -> Scores:
    """A function from a sentence to (log10 probability, unknown?) of each word and of the end.

    KenLM answers where its Python module is installed; it is faster, and reads its binary files too.
    """
    if not Path(path).is_file():
        raise LotteryError(f"{path}: no such language model: make it with audio-lottery ngram --text ... --out {path}")
    try:
        return with_kenlm(path)
    except (ImportError, OSError):  # KenLM missing, or a file it refuses: of order 1, or damaged
        return with_arpa(path)


def with_kenlm(path: str | Path) -> Scores:
    """As :func:`load`, by KenLM; OSError when it cannot read the file."""
    model = kenlm_model(path)
    return lambda sentence: [(value, oov) for value, _, oov in model.full_scores(" ".join(sentence))]


def with_arpa(path: str | Path) -> Scores:
    """As :func:`load`, by this package's own reader."""
    model = Arpa.read(path)
    return lambda sentence: [
        (value, word not in model) for value, word in zip(model.sentence(sentence), [*sentence, "</s>"], strict=True)
    ]
