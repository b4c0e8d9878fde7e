"""The ledger of a search: ``rounds.jsonl``, one JSON object a line a round.

What a round's ticket costs, in a row's keys (a row of an older version lacks all but ``steps``):

``steps``                          optimiser steps of the round's own training
``dense_equivalent_steps``         the same in steps of the dense model: the sum over steps of the share of the
                                   network's multiply-accumulates that its mask leaves; a step of RigL that needs
                                   the gradient of all weights counts the backward pass to the weights as dense
``search_steps``                   optimiser steps that were taken before, in other rounds and runs, to find this
                                   round's mask and start; 0 for the dense round, random masks, masks of untrained
                                   weights, and methods that find the mask within the round (RigL, SET)
``search_dense_equivalent_steps``  the same in steps of the dense model
``stop_epoch``, ``stop_steps``     epochs and steps after which the next mask was drawn, where ``stop`` is set
``full``                           beside these: false when the round ended there, so that its scores are not those
                                   of a ticket trained in full

A ticket's whole cost is ``search_steps + steps``. Batches that data-driven criteria look at are not counted.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_jsonl, sweep, write_jsonl

NUMBERS = ("density_scope", "density_whole", "steps", "dense_equivalent_steps", "search_steps",
           "search_dense_equivalent_steps", "stop_steps", "train_seconds")
SCORES = ("wer", "cer", "errors", "words", "p_worse", "alpha")
MACS = ("seconds", "dense", "sparse")
MOST = 1e300  # beyond it, sums and pictures have no number


class Ledger:
    """The rows of ``rounds.jsonl``, read afresh at each use and rewritten whole and atomically.

    Writers lock the folder, so training and scoring may record at the same time.
    """

    def __init__(self, path: str | Path):
        """``path`` is the file, or the search's folder that holds it."""
        path = Path(path)
        self.path = path / "rounds.jsonl" if path.is_dir() else path

    @property
    def rows(self) -> list[dict]:
        """All rows in the order of rounds; no file yet means no row."""
        if not self.path.exists():
            return []
        rows = read_jsonl(self.path)
        seen = set()
        for row in rows:
            number = row.get("round") if isinstance(row, dict) else None
            if type(number) is not int or number in seen:
                fault = f"round {number} occurs twice" if number in seen else 'a row has no "round"'
                raise LotteryError(f"{self.path}: {fault}: restore the file, or record the round again")
            seen.add(number)
            if (key := _unfit(row)) is not None:
                raise LotteryError(f"{self.path}: round {number}: {key} is not what a search writes there: restore the "
                                   "file, or record the round again")
        return sorted(rows, key=lambda row: row["round"])

    def get(self, number: int) -> dict | None:
        """The row of a round, or None."""
        return next((row for row in self.rows if row["round"] == number), None)

    def record(self, number: int, **fields: object) -> dict:
        """Set fields of a round's row, keeping its others; the row. Recording again changes nothing."""
        with self._updated(number) as row:
            row.update(fields)
        return row

    def record_score(self, number: int, inference: str, dataset: str, score: dict) -> dict:
        """Set ``scores[inference][dataset]`` of a round's row; the row."""
        with self._updated(number) as row:
            row.setdefault("scores", {}).setdefault(inference, {})[dataset] = score
        return row

    @contextmanager
    def _updated(self, number: int) -> Iterator[dict]:
        """Lock, read, hand out the row to be changed, write."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.path.parent, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            sweep(self.path)
            rows = {row["round"]: row for row in self.rows}
            row = rows.setdefault(number, {"round": number})
            before = {key: rows[key] for key in sorted(rows)}
            yield row
            write_jsonl(self.path, before.values())
        finally:
            os.close(lock)


def _unfit(row: dict) -> str | None:
    """The first field that a reader would stumble over: one of another kind than a search writes."""
    for key in NUMBERS:
        if not _number(row.get(key)):
            return key
    if not isinstance(row.get("imported", {}), dict | None) or not isinstance(row.get("valid", {}), dict):
        return "imported, valid"
    macs = row.get("macs") or {}
    if not isinstance(macs, dict) or (macs and not all(_number(macs.get(key), none=False) for key in MACS)):
        return "macs"
    scores = row.get("scores", {})
    if not isinstance(scores, dict) or not all(isinstance(of_tag, dict) for of_tag in scores.values()):
        return "scores"
    unfit = (f"scores of {tag} on {name}" for tag, of_tag in scores.items() for name, score in of_tag.items()
             if not _is_score(score))
    return next(unfit, None)


def _is_score(score: object) -> bool:
    if not isinstance(score, dict) or not all(_number(score.get(key)) for key in SCORES):
        return False
    interval = score.get("ci", [0, 0])
    pair = isinstance(interval, list) and len(interval) == 2 and all(_number(one, none=False) for one in interval)
    return pair and all(isinstance(score.get(key, ""), str) for key in ("scorer", "test", "note"))


def _number(value: object, none: bool = True) -> bool:
    if value is None:
        return none
    return isinstance(value, int | float) and not isinstance(value, bool) and not abs(value) > MOST
