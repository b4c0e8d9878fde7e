"""Word errors by the alignment that sclite makes, count for count.

sclite (NIST SCTK) aligns with the weights substitution 4, deletion 3, insertion 3 and correct 0. Where
several alignments cost the same their counts may differ, so its preferences matter: in each cell the
diagonal step is taken if it is not worse than the two others, else the deletion if it is better than
the insertion, else the insertion.
"""

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

SUBSTITUTION, DELETION, INSERTION = 4, 3, 3
_BLANKS = str.maketrans("\t\n\v\f\r", "     ")
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


@dataclass(frozen=True)
class Counts:
    """Correct, substituted, deleted and inserted words of an utterance, a speaker or a set."""

    correct: int = 0
    substituted: int = 0
    deleted: int = 0
    inserted: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.correct + other.correct,
            self.substituted + other.substituted,
            self.deleted + other.deleted,
            self.inserted + other.inserted,
        )

    @property
    def words(self) -> int:
        """Words of the reference."""
        return self.correct + self.substituted + self.deleted

    @property
    def errors(self) -> int:
        """Substitutions + deletions + insertions."""
        return self.substituted + self.deleted + self.inserted

    @property
    def rate(self) -> float:
        """Word error rate in %; an empty reference gives 0 without and 100 with insertions."""
        if self.words:
            return 100.0 * self.errors / self.words
        return 100.0 if self.errors else 0.0


def words(text: str) -> list[str]:
    """Split a text as sclite does: at ASCII blanks only, ASCII letters in lower case.

    Letters outside ASCII keep their case, as in sclite without ``-e``.
    """
    return [word for word in text.translate(_BLANKS).translate(_LOWER).split(" ") if word]


def characters(text: str) -> str:
    """The characters of a text as words, a blank as ``<space>``, as ESPnet scores characters."""
    joined = " ".join(word for word in text.translate(_BLANKS).split(" ") if word)
    return " ".join("<space>" if char == " " else char for char in joined)


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[tuple[str, str | None, str | None]]:
    """Align two word sequences; a list of (operation, reference word, hypothesis word).

    The operation is "C", "S", "D" or "I"; the missing word of "D" and "I" is None.
    """
    cost, same = _costs(reference, hypothesis)
    i, j, steps = len(reference), len(hypothesis), []
    while i or j:
        step = _step(cost, same, i, j)
        i, j = i - (step != "I"), j - (step != "D")
        steps.append((step, None if step == "I" else reference[i], None if step == "D" else hypothesis[j]))
    return steps[::-1]


def count(reference: Sequence[str], hypothesis: Sequence[str]) -> Counts:
    """Counts of the alignment of two word sequences."""
    steps = [step for step, _, _ in align(reference, hypothesis)]
    return Counts(steps.count("C"), steps.count("S"), steps.count("D"), steps.count("I"))


def count_texts(references: Mapping[str, str], hypotheses: Mapping[str, str]) -> dict[str, Counts]:
    """Counts per utterance of two {utterance: text}, in the order of the references."""
    return {utt: count(words(text), words(hypotheses[utt])) for utt, text in references.items()}


def total(counts: Mapping[str, Counts]) -> Counts:
    """The sum over utterances."""
    return sum(counts.values(), Counts())


def _costs(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Cost of every pair of prefixes [R+1, H+1], and which words are equal [R, H].

    A row is computed at once: the insertions within it are a running minimum.
    """
    index = {word: n for n, word in enumerate(dict.fromkeys([*reference, *hypothesis]))}
    rows = np.array([index[word] for word in reference], dtype=np.int64)
    columns = np.array([index[word] for word in hypothesis], dtype=np.int64)
    same = rows[:, None] == columns[None, :]
    inserted = INSERTION * np.arange(len(columns) + 1)
    cost = np.empty((len(rows) + 1, len(columns) + 1), dtype=np.int64)
    cost[0] = inserted
    for i in range(len(rows)):
        cost[i + 1] = cost[i] + DELETION
        diagonal = cost[i, :-1] + np.where(same[i], 0, SUBSTITUTION)
        np.minimum(cost[i + 1, 1:], diagonal, out=cost[i + 1, 1:])
        cost[i + 1] = np.minimum.accumulate(cost[i + 1] - inserted) + inserted
    return cost, same


def _step(cost: np.ndarray, same: np.ndarray, i: int, j: int) -> str:
    """The step that led to the pair of prefixes (i, j), by sclite's preferences."""
    if i == 0:
        return "I"
    if j == 0:
        return "D"
    diagonal = cost[i - 1, j - 1] + (0 if same[i - 1, j - 1] else SUBSTITUTION)
    deletion, insertion = cost[i - 1, j] + DELETION, cost[i, j - 1] + INSERTION
    if diagonal <= deletion and diagonal <= insertion:
        return "C" if same[i - 1, j - 1] else "S"
    return "D" if deletion < insertion else "I"
