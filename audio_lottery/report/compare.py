"""Several searches side by side: methods, each over the same seeds, against a reference method.

Only ledgers (rounds.jsonl, lottery.yaml) and errors.jsonl are read, so results that were committed can be
compared without their models.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.ledger import Ledger
from audio_lottery.metrics import errors
from audio_lottery.metrics.choose import inference_tag, score_of
from audio_lottery.metrics.significance import permutation_p_worse
from audio_lottery.report.cost import Cost, configuration, costs, mean


@dataclass(frozen=True)
class Score:
    """WER on one set: of each seed, in the order of the point's seeds, and the tests, where errors are kept.

    p_dense, p_reference: one-sided p of "worse than" the reference's dense models, and its tickets of the nearest
    density, of the same seeds, by :func:`paired`.
    """

    wers: tuple[float, ...]
    p_dense: float | None
    p_reference: float | None

    @property
    def mean(self) -> float:
        """Over seeds."""
        return statistics.fmean(self.wers)

    @property
    def spread(self) -> float | None:
        """Sample standard deviation over seeds; None for one seed."""
        return statistics.stdev(self.wers) if len(self.wers) > 1 else None


@dataclass(frozen=True)
class Point:
    """One round of a method over its seeds: mean densities and cost, scores by set.

    against: the reference's round of the nearest density. share: steps, found and trained, over those of that round.
    """

    method: str
    number: int
    seeds: tuple[int, ...]
    density_scope: float | None
    density_whole: float
    cost: Cost
    scores: Mapping[str, Score]
    against: int | None = None
    share: float | None = None


@dataclass(frozen=True)
class Run:
    """One search: its folder, ledger rows by number, and costs."""

    folder: Path
    rows: Mapping[int, dict]
    costs: Mapping[int, Cost]

    @classmethod
    def read(cls, folder: Path) -> "Run":
        """Of a search's folder, or of one with its ledger alone. Rounds that ended before their time are left out."""
        rows = Ledger(folder / "rounds.jsonl").rows
        if not rows:
            raise LotteryError(f"{folder / 'rounds.jsonl'}: no round recorded: run the search first")
        found = costs(rows, configuration(folder))
        return cls(folder, {row["round"]: row for row in rows if row.get("full", True)}, found)

    @property
    def seed(self) -> int:
        """The training's seed."""
        return next((row["seed"] for row in self.rows.values() if row.get("seed") is not None), 0)

    def errors(self, number: int, tag: str, dataset: str) -> errors.Errors | None:
        """Errors by utterance, or None where they were not kept."""
        if not (self.folder / "errors.jsonl").exists() or number not in self.rows:
            return None
        score = score_of(self.rows[number], tag, dataset)
        return errors.read(self.folder, number, tag, dataset, score) if score else None


def compare(methods: Mapping[str, Sequence[Path]], inference: str | None = None) -> list[Point]:
    """The points of all methods, from dense to sparse; the first method is the reference.

    methods: name -> folders of searches, one a seed. Raises LotteryError for two searches of one method and seed,
    and for scores of several inferences.
    """
    runs = {name: _by_seed(name, [Run.read(folder) for folder in folders]) for name, folders in methods.items()}
    rows = [row for several in runs.values() for run in several.values() for row in run.rows.values()]
    tag = inference_tag(rows, inference)
    if tag is None:
        raise LotteryError("compare: nothing is scored: run audio-lottery score on these searches first")
    sets = list(dict.fromkeys(name for row in rows for name in row.get("scores", {}).get(tag, {})))
    name, *others = runs
    base = _points(name, runs[name], runs[name], None, tag, sets)
    points = [*base]
    for other in others:
        points += _points(other, runs[other], runs[name], base, tag, sets)
    return points


def paired(first: Sequence[errors.Errors | None], second: Sequence[errors.Errors | None]) -> float | None:
    """One-sided p of "the first are worse than the second", the searches of equal seeds; None without errors.

    An utterance's errors are summed over the seeds: what is drawn at random are utterances. The test is the
    permutation test of :mod:`audio_lottery.metrics.significance`.
    """
    if not first or any(one is None for one in [*first, *second]):
        return None
    if len({one.utterances for one in [*first, *second]}) > 1:
        raise LotteryError("compare: the searches were scored on different utterances: compare searches of one corpus "
                           "and split")
    a, b = ([sum(each) for each in zip(*(one.errors for one in side), strict=True)] for side in (first, second))
    return permutation_p_worse(a, b)


def nearest(points: Sequence[Point], density: float) -> Point:
    """The point whose share of the whole model is nearest, as a ratio."""
    return min(points, key=lambda point: abs(log(point.density_whole / density)))


def _by_seed(name: str, runs: Sequence[Run]) -> dict[int, Run]:
    found: dict[int, Run] = {}
    for run in runs:
        if run.seed in found:
            raise LotteryError(f"{run.folder}: has seed {run.seed}, as {found[run.seed].folder}: give one search of "
                               f"{name} a seed")
        found[run.seed] = run
    return dict(sorted(found.items()))


def _points(name: str, runs: Mapping[int, Run], reference: Mapping[int, Run], base: Sequence[Point] | None, tag: str,
            sets: Sequence[str]) -> list[Point]:
    """A method's points; the dense models are the reference's alone."""
    made = []
    for number in sorted({number for run in runs.values() for number in run.rows}):
        having = {seed: run for seed, run in runs.items() if number in run.rows}
        # While the searches of some seeds are still going on, the others count.
        having = {seed: run for seed, run in having.items() if run.rows[number].get("scores", {}).get(tag)} or having
        rows = [run.rows[number] for run in having.values()]
        if (number == 0 and base is not None) or any(not row.get("density_whole") for row in rows):
            continue
        density, cost = _mean(rows, "density_whole"), mean([run.costs[number] for run in having.values()])
        near = nearest([one for one in base if one.number], density) if base and len(base) > 1 else None
        scores = {one: score for one in sets
                  if (score := _score(having, number, reference, near and near.number, tag, one))}
        share = cost.steps / near.cost.steps if near and near.cost.steps and cost.steps is not None else None
        made.append(Point(name, number, tuple(having), _mean(rows, "density_scope"), density, cost, scores,
                          near and near.number, share))
    return sorted(made, key=lambda point: -point.density_whole)


def _score(runs: Mapping[int, Run], number: int, reference: Mapping[int, Run], near: int | None, tag: str, dataset: str,
           ) -> Score | None:
    scores = [score_of(run.rows[number], tag, dataset) for run in runs.values()]
    if not all(scores):
        return None

    def test(others: Mapping[int, Run], other: int) -> float | None:
        shared = [seed for seed in runs if seed in others and other in others[seed].rows]
        return paired([runs[seed].errors(number, tag, dataset) for seed in shared],
                      [others[seed].errors(other, tag, dataset) for seed in shared])

    return Score(tuple(score["wer"] for score in scores), test(reference, 0) if number else None,
                 test(reference, near) if near is not None else None)


def _mean(rows: Sequence[dict], key: str) -> float | None:
    values = [row.get(key) for row in rows]
    return None if None in values else statistics.fmean(values)
