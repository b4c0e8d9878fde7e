"""Which rounds are the extreme and the best ticket, by the dev set alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from audio_lottery.errors import LotteryError


@dataclass(frozen=True)
class Choice:
    """Chosen rounds; None where no scored round qualifies."""

    extreme: int | None
    best: int | None


def score_of(row: dict, inference: str, dataset: str) -> dict | None:
    """The score of a ledger row for a set, or None."""
    return row.get("scores", {}).get(inference, {}).get(dataset)


def inference_tag(rows: Sequence[dict], inference: str | None = None) -> str | None:
    """The inference tag to show: ``inference`` if given, else the only one scored; None without scores.

    Raises LotteryError if it is not scored, or if there are several and none is named.
    """
    tags = list(dict.fromkeys(tag for row in rows for tag in row.get("scores", {})))
    if inference is not None and inference not in tags:
        raise LotteryError(f"no scores of inference {inference!r}: score it first (scored: {_list(tags)})")
    if inference is None and len(tags) > 1:
        raise LotteryError(f"scores of several inferences ({_list(tags)}): choose one with --inference_tag")
    return inference or (tags[0] if tags else None)


def choose(rows: Sequence[dict], dev_set: str, inference: str | None = None) -> Choice:
    """Choose the extreme and the best ticket from ledger rows by the dev set.

    Extreme: the sparsest round that matches the dense model on ``dev_set`` (its recorded paired test).
    Best: the round with the lowest WER there, the sparser one of equals. Both are tickets, so round 0
    is left out. A test set is never looked at.
    """
    tag = inference_tag(rows, inference)
    scored = [(row, score_of(row, tag, dev_set)) for row in rows if row["round"] > 0] if tag else []
    tickets = [(row, score) for row, score in scored if score]
    matching = [ticket for ticket in tickets if ticket[1].get("matches")]
    extreme = min(matching, key=lambda ticket: _density(ticket[0]), default=None)
    best = min(tickets, key=lambda ticket: (ticket[1]["wer"], _density(ticket[0])), default=None)
    return Choice(extreme and extreme[0]["round"], best and best[0]["round"])


def _density(row: dict) -> float:
    return row.get("density_scope", math.inf)


def _list(tags: Sequence[str]) -> str:
    return ", ".join(tags) or "none"
