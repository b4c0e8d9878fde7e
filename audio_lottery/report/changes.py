"""What became better and what worse from the dense model to a ticket, utterance by utterance, with aligned words."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from audio_lottery.fileio import read_text
from audio_lottery.metrics.trn import read_kaldi, read_trn, trn_id
from audio_lottery.metrics.wer import align, words

# A step of an alignment, its reference word and its hypothesis.
Step = tuple[str, str | None, str | None]


@dataclass(frozen=True)
class Column:
    """A place of the aligned text: the words there, None where there is none, and the two steps (C, S, D, I or '')."""

    reference: str | None
    dense: str | None
    dense_step: str
    ticket: str | None
    ticket_step: str


@dataclass(frozen=True)
class Change:
    """An utterance whose text the ticket changed: words of its reference, errors of each model, the aligned texts."""

    utterance: str
    words: int
    dense: int
    ticket: int
    columns: tuple[Column, ...]

    @property
    def gain(self) -> int:
        """Errors that the ticket has less; negative: more."""
        return self.dense - self.ticket


def read_changes(exp: Path, number: int, inference: str, dataset: str) -> list[Change]:
    """Of round ``number`` against round 0, the worst first; [] where one of them has no score_wer on disk."""
    folders = [exp / f"round_{one:02d}" / f"decode_{inference}" / dataset / "score_wer" for one in (0, number)]
    files = [folders[0] / "ref.trn", folders[0] / "hyp.trn", folders[1] / "hyp.trn"]
    if not all(path.exists() for path in files):
        return []
    references, dense, ticket = map(read_trn, files)
    made = [_change(name, *(words(text) for text in (reference, dense[name], ticket[name])))
            for name, reference in references.items()
            if name in dense and name in ticket and words(dense[name]) != words(ticket[name])]
    return sorted(made, key=lambda one: (one.gain, -one.ticket, one.utterance))


def _change(name: str, reference: Sequence[str], dense: Sequence[str], ticket: Sequence[str]) -> Change:
    steps = [align(reference, hypothesis) for hypothesis in (dense, ticket)]
    errors = [sum(step != "C" for step, _, _ in one) for one in steps]
    return Change(name, len(reference), *errors, tuple(merge(*steps)))


def merge(dense: Sequence[Step], ticket: Sequence[Step]) -> list[Column]:
    """Two alignments with one reference as columns; inserted words of both stand beside each other."""
    columns: list[Column] = []
    for first, second in zip(_slots(dense), _slots(ticket), strict=True):
        inserted, other = first[0], second[0]
        for at in range(max(len(inserted), len(other))):
            one, two = (words[at] if at < len(words) else None for words in (inserted, other))
            columns.append(Column(None, one, "I" if one else "", two, "I" if two else ""))
        if first[1] is not None and second[1] is not None:
            columns.append(Column(first[1][1], first[1][2], first[1][0], second[1][2], second[1][0]))
    return columns


def _slots(steps: Sequence[Step]) -> list[tuple[list[str], Step | None]]:
    """For each word of the reference, and the end, the words inserted before it and its step."""
    slots: list[tuple[list[str], Step | None]] = []
    inserted: list[str] = []
    for step in steps:
        if step[0] == "I":
            inserted.append(step[2] or "")
        else:
            slots.append((inserted, step))
            inserted = []
    return [*slots, (inserted, None)]


def rows(changes: Sequence[Change], dataset: str) -> list[dict]:
    """A row an utterance, for a CSV file."""
    return [{"set": dataset, "utterance": one.utterance, "words": one.words, "errors_dense": one.dense,
             "errors_ticket": one.ticket, "reference": _text(one, "reference"), "dense": _text(one, "dense"),
             "ticket": _text(one, "ticket")} for one in changes]


def _text(change: Change, which: str) -> str:
    return " ".join(word for column in change.columns if (word := getattr(column, which)))


def audio_links(data: Path | None, dataset: str, page: Path) -> Mapping[str, str]:
    """trn id -> link, relative to the folder ``page``, of the audio that lies on disk as a file of its own.

    data: folder with <set>/{wav.scp,utt2spk}, like dump/raw; None: no links. Pipes and archives have none.
    """
    folder = data and data / dataset
    if not folder or not (folder / "wav.scp").exists() or not (folder / "utt2spk").exists():
        return {}
    speakers, found = read_kaldi(folder / "utt2spk"), {}
    for line in read_text(folder / "wav.scp").splitlines():
        utterance, _, path = line.strip().partition(" ")
        if utterance in speakers and Path(path.strip()).is_file():
            relative = os.path.relpath(Path(path.strip()).resolve(), page.resolve())
            found[trn_id(utterance, speakers[utterance])] = quote(relative)
    return found
