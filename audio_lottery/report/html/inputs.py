"""What a page is made from: one search or several seeds of it, others beside it, and where more lies on disk."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.ledger import Ledger
from audio_lottery.report.compare import Point, Run, compare
from audio_lottery.report.noise import noisy_copies
from audio_lottery.report.pool import pool
from audio_lottery.report.table import Results, collect


@dataclass(frozen=True)
class Inputs:
    """exps: the seeds (or folds) of the search; others: name -> the searches of a method to compare with.

    data: folder with <set>/wav.scp, for players. sizes: how ticket files are packed to measure them, None: not at
    all. benchmarks: files whose last line is a JSON object. commands: what made the search.
    """

    name: str
    exps: Sequence[Path]
    out: Path
    others: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    dev: str = "dev"
    inference: str | None = None
    data: Path | None = None
    sizes: str | None = "fp16"
    benchmarks: Sequence[Path] = ()
    commands: Sequence[str] = ()

    @cached_property
    def results(self) -> Results:
        """The search's table, pooled over its seeds."""
        return collect(self.rows(self.exps), self.dev, self.inference)

    @cached_property
    def clean(self) -> Results:
        """The same without the noisy copies of sets, which have a section of their own."""
        noisy = {name for copies in noisy_copies(set(self.results.sets)).values() for name in copies.values()}
        return replace(self.results, tests=[name for name in self.results.tests if name not in noisy])

    @cached_property
    def points(self) -> list[Point]:
        """The comparison of methods over seeds; [] where there is nothing to compare, or only folds of one seed."""
        folds = len({Run.read(folder).seed for folder in self.exps}) < len(self.exps)
        if self.results.inference is None or not self.others and (len(self.exps) == 1 or folds):
            return []
        return compare({self.name: self.exps, **self.others}, self.inference)

    @property
    def ticket(self) -> int | None:
        """The round to look at closely: the extreme ticket, else the best, else the last that was scored."""
        choice, rows = self.results.choice, self.results.rows
        scored = [row["round"] for row in rows if row["round"] and row.get("scores", {}).get(self.results.inference)]
        return next((number for number in (choice.extreme, choice.best, *scored[-1:]) if number is not None), None)

    def rows(self, exps: Sequence[Path]) -> list[dict]:
        """The ledger of one search, or the pooled one of several. Raises LotteryError where there is none."""
        if len(exps) > 1:
            return pool(exps, self.inference)
        rows = Ledger(exps[0] / "rounds.jsonl").rows
        if not rows:
            raise LotteryError(f"{exps[0] / 'rounds.jsonl'}: no round recorded: run the search first")
        return rows
