"""``errors.jsonl``: errors per utterance, small enough to keep beside a ledger, so that tests can be repeated.

One JSON object a line. For each inference and set first ``{"inference", "set", "utterances": [id], "words":
[words of the reference]}``, then ``{"inference", "set", "round", "errors": [errors]}`` for each round, in the
order of the utterances.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_jsonl, write_jsonl
from audio_lottery.metrics.trn import read_trn
from audio_lottery.metrics.wer import Counts, count_texts


def _counts(value: object) -> bool:
    return isinstance(value, list) and all(type(one) is int and 0 <= one <= MOST for one in value)


MOST = 1 << 31  # words of an utterance: what arithmetic in numpy takes
KINDS = {
    "inference": lambda value: isinstance(value, str), "set": lambda value: isinstance(value, str),
    "utterances": lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    "words": _counts, "errors": _counts, "round": lambda value: type(value) is int,
}


@dataclass(frozen=True)
class Errors:
    """Errors and words of the reference of each utterance, in one order."""

    utterances: tuple[str, ...]
    words: tuple[int, ...]
    errors: tuple[int, ...]


def record(exp: Path, inference: str, dataset: str, rounds: Mapping[int, dict]) -> None:
    """Keep the errors of the rounds that were just scored: number -> the score in the ledger.

    They are counted from score_wer/{ref,hyp}.trn by sclite's alignment. Other rounds of the set stay where its
    utterances are the same, those of other sets in any case. Raises LotteryError when a count is not the score's.
    """
    path = exp / "errors.jsonl"
    rows = _read(path)
    mine = {"inference": inference, "set": dataset}
    others = [row for row in rows if {key: row.get(key) for key in mine} != mine]
    found = {number: _count(exp, number, inference, dataset) for number in rounds}
    for number, counts in found.items():
        _compare(exp, number, sum(one.errors for one in counts.values()), rounds[number])
    first = next(iter(found.values()))
    head = {**mine, "utterances": list(first), "words": [one.words for one in first.values()]}
    kept = {row["round"]: row["errors"] for row in rows if row not in others and "round" in row} if head in rows else {}
    kept |= {number: [one.errors for one in counts.values()] for number, counts in found.items()}
    write_jsonl(path, [*others, head, *({**mine, "round": n, "errors": kept[n]} for n in sorted(kept))])


def read(exp: Path, number: int, inference: str, dataset: str, score: dict) -> Errors:
    """The errors per utterance behind a score of the ledger; LotteryError where they are not kept, or others."""
    path = exp / "errors.jsonl"
    rows = _read(path)
    mine = [row for row in rows if (row.get("inference"), row.get("set")) == (inference, dataset)]
    head = next((row for row in mine if "utterances" in row), None)
    row = next((row for row in mine if row.get("round") == number), None)
    if head is None or row is None:
        raise LotteryError(f"{path}: no errors of round {number} on {dataset}: score {exp} again")
    found = Errors(tuple(head["utterances"]), tuple(head["words"]), tuple(row["errors"]))
    if not len(found.utterances) == len(found.words) == len(found.errors):
        raise LotteryError(f"{path}: the lists of round {number} on {dataset} differ in length: score {exp} again")
    _compare(exp, number, sum(found.errors), score)
    return found


def _read(path: Path) -> list[dict]:
    """The rows of the file, none where there is no file, each of the right kinds of values."""
    rows = read_jsonl(path) if path.exists() else []
    for line, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not all(fits(row[key]) for key, fits in KINDS.items() if key in row):
            raise LotteryError(f"{path}: row {line} is none of a list of errors: remove the file and score again")
        if not {"inference", "set"} <= row.keys() or not ({"utterances", "words"} <= row.keys()
                                                          or {"round", "errors"} <= row.keys()):
            raise LotteryError(f"{path}: row {line} lacks a field: remove the file and score again")
    return rows


def _count(exp: Path, number: int, inference: str, dataset: str) -> dict[str, Counts]:
    where = exp / f"round_{number:02d}" / f"decode_{inference}" / dataset / "score_wer"
    return count_texts(read_trn(where / "ref.trn"), read_trn(where / "hyp.trn"))


def _compare(exp: Path, number: int, errors: int, score: dict) -> None:
    if errors != score["errors"]:
        raise LotteryError(f"{exp}: round {number} has {errors} errors by utterance, rounds.jsonl says "
                           f"{score['errors']}: score {exp} again")
