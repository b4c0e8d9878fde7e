"""Reading and querying ARPA files without KenLM."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from audio_lottery import fileio
from audio_lottery.errors import LotteryError

UNKNOWN_MISSING = -100.0  # what KenLM gives an unknown word when the model has no <unk>


@dataclass
class Arpa:
    """A model read from a file: ``grams[k]["a b"]`` is (log10 probability, log10 backoff) of a (k+1)-gram."""

    grams: list[dict[str, tuple[float, float]]]

    @classmethod
    def read(cls, path: str | Path) -> "Arpa":
        """Read an ARPA file; a damaged one is a LotteryError that names the line."""
        rows = _rows(fileio.read_text(path).split("\n"))
        sizes = _header(path, rows)
        grams = [_section(path, rows, k, size) for k, size in enumerate(sizes, 1)]
        at, line = next(rows)
        if line != "\\end\\":
            raise _damaged(path, at, "\\end\\ expected")
        return cls(grams)

    @property
    def order(self) -> int:
        return len(self.grams)

    def __contains__(self, word: str) -> bool:
        return word in self.grams[0]

    def log10(self, word: str, context: Sequence[str]) -> float:
        """log10 P(word | context); only the last ``order - 1`` words of the context matter.

        A word that the model doesn't know counts as <unk>, in both places.
        """
        context = context[max(0, len(context) - self.order + 1):]
        known = [w if w in self else "<unk>" for w in (*context, word)]
        backoff = 0.0
        for start in range(len(known)):
            found = self.grams[len(known) - start - 1].get(" ".join(known[start:]))
            if found:
                return backoff + found[0]
            if start + 1 < len(known):
                history = self.grams[len(known) - start - 2].get(" ".join(known[start:-1]))
                backoff += history[1] if history else 0.0
        return backoff + UNKNOWN_MISSING

    def sentence(self, words: Sequence[str]) -> list[float]:
        """log10 probabilities of the words and of </s> after them, given <s>; length len(words) + 1."""
        padded = ["<s>", *words, "</s>"]
        return [self.log10(padded[i], padded[:i]) for i in range(1, len(padded))]


def unigrams(path: str | Path) -> dict[str, float]:
    """The words of an ARPA file with their log10 probabilities; reads only its first section."""
    section = _begin(path, lambda rows: _section(path, rows, 1, _header(path, rows)[0]))
    return {word: probability for word, (probability, _) in section.items()}


def order(path: str | Path) -> int:
    """Words in the longest n-gram of an ARPA file; reads only its header."""
    return len(_begin(path, lambda rows: _header(path, rows)))


def _begin[T](path: str | Path, read: Callable[[Iterator[tuple[int, str]]], T]) -> T:
    """What ``read`` takes of a file's first rows."""
    try:
        with open(path, encoding="utf-8", newline="\n") as stream:
            return read(_rows(stream))
    except (OSError, UnicodeDecodeError) as error:
        raise LotteryError(f"{path}: cannot be read as ARPA text ({error}): give an ARPA file") from None


def _rows(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Line numbers and lines that are neither empty nor comments, then an empty line for the end."""
    number = 0
    for number, line in enumerate(lines, 1):
        line = line.strip(" \t\r\n")
        if line and not line.startswith("#"):
            yield number, line
    while True:
        yield number, ""


def _header(path: str | Path, rows: Iterator[tuple[int, str]]) -> list[int]:
    at, line = next(rows)
    if line != "\\data\\":
        raise _damaged(path, at, "\\data\\ expected")
    sizes: list[int] = []
    while True:
        at, line = next(rows)
        if line == "\\1-grams:" and sizes:
            return sizes
        match = re.fullmatch(r"ngram (\d{1,2}) ?= ?(\d{1,15})", line)
        if not match or int(match[1]) != len(sizes) + 1:
            raise _damaged(path, at, "'ngram N=COUNT' lines, then \\1-grams: expected")
        sizes.append(int(match[2]))


def _section(path: str | Path, rows: Iterator[tuple[int, str]], k: int, size: int) -> dict:
    if k > 1:
        at, line = next(rows)
        if line != f"\\{k}-grams:":
            raise _damaged(path, at, f"\\{k}-grams: expected")
    grams = {}
    for _ in range(size):
        at, line = next(rows)
        fields = re.split("[\t ]+", line)
        try:
            if len(fields) not in (k + 1, k + 2):
                raise ValueError
            grams[" ".join(fields[1:k + 1])] = (float(fields[0]), float(fields[k + 1]) if fields[k + 1:] else 0.0)
        except ValueError:
            raise _damaged(path, at, f"a {k}-gram between two numbers expected") from None
    return grams


def _damaged(path: str | Path, line: int, what: str) -> LotteryError:
    return LotteryError(f"{path}:{line}: {what}: not a whole ARPA file, make it again")


def kenlm_model(path: str | Path):
    """KenLM's model of an ARPA or binary file, loaded without its bar; ImportError without the module, OSError."""
    import kenlm

    config = kenlm.Config()
    config.show_progress, config.arpa_complain = False, kenlm.ARPALoadComplain.NONE
    return kenlm.Model(str(path), config)
