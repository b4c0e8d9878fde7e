"""Writing an estimated model as an ARPA file."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from audio_lottery import fileio
from audio_lottery.lm.kneser_ney import Model

LOG_ZERO = -99.0


def write(path: str | Path, lines: Iterable[str]) -> None:
    """Write the lines of an ARPA file atomically."""
    with fileio.atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(lines)


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


def with_end_alias(lines: Iterable[str], alias: str) -> Iterator[str]:
    """An ARPA file's lines with every n-gram that ends in </s> written a second time, ending in ``alias``.

    ESPnet's n-gram scorer asks for the token list's own end symbol, <sos/eos>: without the alias it
    would get the probability of an unknown word there. Sums over a vocabulary count the end once.
    """
    sections: list[list[str]] = []
    head: list[str] = []
    for line in lines:
        if re.fullmatch(r"\\\d+-grams:\s*", line):
            sections.append([])
        (sections[-1] if sections else head).append(line)
    ends = re.compile(r"(?<=[\t ])</s>(?=[\t\n])")
    added = [[ends.sub(alias, line) for line in section if ends.search(line)] for section in sections]
    for line in head:
        match = re.fullmatch(r"ngram (\d+)=(\d+)\s*", line)
        yield f"ngram {match[1]}={int(match[2]) + len(added[int(match[1]) - 1])}\n" if match else line
    for section, more in zip(sections, added, strict=True):
        yield from [section[0], *more, *section[1:]]
