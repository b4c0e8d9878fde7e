"""Writing an estimated model as an ARPA file."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from audio_lottery import fileio
from audio_lottery.lm.kneser_ney import Model

LOG_ZERO = -99.0


def write(path: str | Path, lines: Callable[[], Iterable[str]], end_alias: str | None = None) -> None:
    """Write an ARPA file atomically; ``lines`` gives its lines, as often as it is called.

    ``end_alias``: every n-gram that ends in </s> is written a second time, with this word at its end.
    ESPnet's n-gram scorer asks for the token list's own end symbol, <sos/eos>: without the alias it would
    get the probability of an unknown word there. Sums over a vocabulary count the end once.
    """
    with fileio.atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(_with_alias(lines, end_alias) if end_alias else lines())


def _with_alias(lines: Callable[[], Iterable[str]], alias: str) -> Iterator[str]:
    """Goes through the lines twice instead of keeping them: the head tells how many n-grams follow."""
    ends = re.compile(r"(?<=[\t ])</s>(?=[\t\n])")
    added: list[int] = []
    for line in lines():
        if re.fullmatch(r"\\\d+-grams:\s*", line):
            added.append(0)
        elif added and ends.search(line):
            added[-1] += 1
    for line in lines():
        match = re.fullmatch(r"ngram (\d+)=(\d+)\s*", line)
        yield f"ngram {match[1]}={int(match[2]) + added[int(match[1]) - 1]}\n" if match else line
        if ends.search(line):
            yield ends.sub(alias, line)


def lines(model: Model) -> Iterator[str]:
    """The lines of a model's ARPA file; n-grams stand in KenLM's order, log10 values have 7 digits."""
    yield "\\data\\\n"
    for k, keep in enumerate(model.keep, 1):
        yield f"ngram {k}={int(keep.sum())}\n"
    words = model.counts.words
    texts = [""]
    for k, grams in enumerate(model.counts.orders):
        yield "\n"
        yield f"\\{k + 1}-grams:\n"
        pairs = zip(grams.context.tolist(), grams.last.tolist(), strict=True)
        texts = [f"{texts[context]} {words[last]}" if k else words[last] for context, last in pairs]
        probability, backoff = _log10(model.probability[k]), _log10(model.backoff[k])
        highest = k + 1 == len(model.counts.orders)
        for i in np.flatnonzero(model.keep[k]).tolist():
            tail = "" if highest else f"\t{backoff[i]:.7g}"
            yield f"{probability[i]:.7g}\t{texts[i]}{tail}\n"
    yield "\n"
    yield "\\end\\\n"


def _log10(values: np.ndarray) -> list[float]:
    logs = np.full(len(values), LOG_ZERO)
    np.log10(values, out=logs, where=values > 0)
    return (np.minimum(logs, 0.0) + 0.0).tolist()  # adding 0.0 turns -0.0 into 0
