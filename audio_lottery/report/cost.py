"""What the tickets of a search cost in training steps, from its ledger."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from audio_lottery.fileio import read_yaml


@dataclass(frozen=True)
class Cost:
    """Training steps of one ticket; None where the ledger doesn't tell.

    own: of the ticket's own training. search: of what was trained before to find it. ``*_dense``: the same in
    steps of the dense model, each step weighed by the share of multiply-accumulates that the mask leaves.
    """

    own: float | None = None
    search: float | None = None
    own_dense: float | None = None
    search_dense: float | None = None

    @property
    def steps(self) -> float | None:
        """All steps, found and trained."""
        return _sum([self.own, self.search])

    @property
    def dense(self) -> float | None:
        """All steps in those of the dense model."""
        return _sum([self.own_dense, self.search_dense])


def costs(rows: Sequence[dict], lottery: Mapping[str, object] | None = None) -> dict[int, Cost]:
    """Round -> its ticket's cost, from the ledger's keys (see audio_lottery.ledger).

    A row without them is of an older version, which knew searches round by round only: there a ticket costs all
    rounds before it, unless ``lottery`` (the search's configuration) says that masks were random or of untrained
    weights; those taken from another search cost what that one cost, which is not known here.
    """
    found, before, before_dense = {}, [], []
    for row in sorted(rows, key=lambda row: row["round"]):
        own, own_dense = row.get("steps"), _dense(row)
        search, search_dense = row.get("search_steps"), row.get("search_dense_equivalent_steps")
        if search is None:
            search, search_dense = _searched(row["round"], lottery or {}, before, before_dense)
        found[row["round"]] = Cost(own, search, own_dense, search_dense)
        before, before_dense = [*before, own], [*before_dense, own_dense]
    return found


def configuration(folder: Path) -> dict | None:
    """The lottery.yaml beside a ledger, or None."""
    path = folder / "lottery.yaml"
    return read_yaml(path) if path.exists() else None


def mean(several: Sequence[Cost]) -> Cost:
    """The mean of each part; None where one of them is not known."""
    sums = {one.name: _sum([getattr(cost, one.name) for cost in several]) for one in fields(Cost)}
    return Cost(**{name: None if total is None else total / len(several) for name, total in sums.items()})


def _dense(row: dict) -> float | None:
    given, macs = row.get("dense_equivalent_steps"), row.get("macs")
    if given is None and macs and row.get("steps") is not None:
        return row["steps"] * macs["sparse"] / macs["dense"]
    return given


def _searched(number: int, lottery: Mapping[str, object], before: Sequence, before_dense: Sequence,
              ) -> tuple[float | None, float | None]:
    if number == 0 or lottery.get("prune_from") == "init" or lottery.get("criterion") == "random":
        return 0, 0
    if lottery.get("masks_from"):
        return None, None
    return _sum(before), _sum(before_dense)


def _sum(values: Sequence[float | None]) -> float | None:
    return None if None in values else sum(values)
