"""What a search costs, in the keys that audio_lottery.ledger describes."""

from collections.abc import Mapping, Sequence
from typing import Any

from audio_lottery import masks, snapshot
from audio_lottery.config import LotteryConfig
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.maskfile import read

Row = Mapping[str, Any]


def of_round(layout: Layout, config: LotteryConfig, number: int, facts: Row) -> dict[str, Any]:
    """The ledger's keys of a round that was just trained.

    facts: ``epochs``, ``steps`` and ``macs_density`` of its training, see layout.Backend.facts.
    """
    run, steps, dense = layout.round(number), facts["steps"], None
    if config.changes(number):
        dense = float(read(layout.changing(run, facts["epochs"]))[1]["dense_equivalent_steps"])
    elif steps is not None and "macs_density" in facts:
        dense = steps * facts["macs_density"]
    row = {"steps": steps, "dense_equivalent_steps": dense}
    if config.stop and layout.stopped(run).exists():
        stop = snapshot.metadata(layout.stopped(run))
        row |= {"stop_epoch": int(stop["epoch"]), "stop_steps": int(stop["steps"]), "full": config.in_full(number)}
    return row | _searched(layout, config, number)


def _searched(layout: Layout, config: LotteryConfig, number: int) -> dict[str, Any]:
    """Steps before the round's own, to find its mask and start; None where another search doesn't say."""
    rows = [row for row in Ledger(layout.ledger).rows if row["round"] < number]
    if number == 0 or config.changes(number):
        return _pair(0, 0)
    if config.masks_from:
        other = Ledger(masks.find_search(layout.folder, config.masks_from).ledger).get(number) or {}
        return _pair(other.get("search_steps"), other.get("search_dense_equivalent_steps"))
    if config.within:
        found = read(layout.mask(number))[1]
        return _pair(int(found["steps"]), float(found["dense_equivalent_steps"]))
    if config.restart not in ("learning_rate", "finetune"):
        if config.prune_from == "init" or config.criterion == "random":
            return _pair(0, 0)
        if config.prune_from == "dense":
            rows = rows[:1]
    return _pair(*(_total(rows, key) for key in ("steps", "dense_equivalent_steps")))


def _total(rows: Sequence[Row], key: str) -> float | None:
    """The sum over rounds, each up to its stop; None where a row of an older version doesn't say."""
    if any(row.get(key) is None for row in rows):
        return None
    return sum(row[key] if "stop_steps" not in row else row[key] * row["stop_steps"] / row["steps"] for row in rows)


def _pair(steps: float | None, dense: float | None) -> dict[str, Any]:
    return {"search_steps": None if steps is None else round(steps), "search_dense_equivalent_steps": dense}
