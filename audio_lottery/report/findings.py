"""The numbers of an experiment: methods over seeds with intervals, and the tickets that the dev set chooses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from audio_lottery.metrics.choose import score_of
from audio_lottery.metrics.significance import bootstrap_interval, permutation_p_worse
from audio_lottery.report.compare import Point, Run, Score, compare, nearest
from audio_lottery.report.evidence import CLEAN, Experiment, Kept

ALPHA = 0.05


@dataclass(frozen=True)
class Findings:
    """One experiment in one training condition and with one inference."""

    experiment: Experiment
    training: str
    inference: str
    searches: Mapping[str, Sequence[Kept]]

    @cached_property
    def points(self) -> list[Point]:
        """All rounds of all methods, see audio_lottery.report.compare; the first method is the reference."""
        folders = {name: [one.folder for one in several] for name, several in self.searches.items()}
        return [self._with_tests(point) for point in compare(folders, self.inference)]

    @property
    def reference(self) -> str:
        """The first method: imp where it was kept."""
        return next(iter(self.searches))

    @property
    def traits(self) -> Mapping[str, str]:
        """Of the recipe, in words."""
        return self.searches[self.reference][0].traits

    @property
    def dev(self) -> str:
        """The set that chooses."""
        return self.searches[self.reference][0].dev

    @property
    def tests(self) -> list[str]:
        """The other sets, noisy copies included."""
        return list(dict.fromkeys(name for point in self.points for name in point.scores if name != self.dev))

    @property
    def dense(self) -> Point | None:
        """The dense models of the reference."""
        return next((point for point in self.points if point.number == 0), None)

    def tickets(self, method: str) -> list[Point]:
        """The pruned rounds of a method, from dense to sparse."""
        return [point for point in self.points if point.method == method and point.number]

    @property
    def extreme(self) -> Point | None:
        """The sparsest ticket of the reference that the dev set's paired test does not find worse than dense."""
        return min((one for one in self._scored if (one.scores[self.dev].p_dense or 0) >= ALPHA),
                   key=lambda point: point.density_whole, default=None)

    @property
    def best(self) -> Point | None:
        """The ticket of the reference with the lowest WER on dev, the sparser of equals."""
        return min(self._scored, key=lambda point: (point.scores[self.dev].mean, point.density_whole), default=None)

    @property
    def _scored(self) -> list[Point]:
        return [point for point in self.tickets(self.reference) if self.dev in point.scores]

    def near(self, method: str, density: float) -> Point | None:
        """A method's ticket of the nearest density of the whole model; None where it has none."""
        tickets = self.tickets(method)
        return nearest(tickets, density) if tickets else None

    def interval(self, point: Point, dataset: str) -> tuple[float, float] | None:
        """95% interval of the WER by bootstrap over utterances, whose errors and words are summed over the seeds."""
        summed = self.summed(point, dataset)
        if summed is not None:
            return bootstrap_interval(*summed)
        runs = self._runs(point)
        score = score_of(runs[0].rows[point.number], self.inference, dataset) if len(runs) == 1 else None
        return (score["ci"][0], score["ci"][1]) if score else None

    def difference(self, point: Point, other: Point, dataset: str) -> tuple[float, tuple[float, float], float] | None:
        """WER of one less that of another, its 95% interval, and the one-sided p of "the other is worse".

        By utterance over the seeds that both have; None without errors by utterance.
        """
        seeds = [seed for seed in point.seeds if seed in other.seeds]
        first, second = (self.summed(replace(one, seeds=tuple(seeds)), dataset) for one in (point, other))
        if not seeds or first is None or second is None:
            return None
        less = [a - b for a, b in zip(first[0], second[0], strict=True)]
        p_worse = permutation_p_worse(second[0], first[0])
        return 100 * sum(less) / sum(first[1]), bootstrap_interval(less, first[1]), p_worse

    def summed(self, point: Point, dataset: str) -> tuple[list[int], list[int]] | None:
        """Errors and words of each utterance, summed over the point's seeds; None where they were not kept."""
        found = [run.errors(point.number, self.inference, dataset) for run in self._runs(point)]
        if not found or any(one is None for one in found):
            return None
        return ([sum(each) for each in zip(*(one.errors for one in found), strict=True)],
                [sum(each) for each in zip(*(one.words for one in found), strict=True)])

    def macs(self, point: Point) -> tuple[float, float] | None:
        """Multiply-accumulates of the ticket and of the dense model, means over seeds; None where not counted."""
        rows = [run.rows[point.number].get("macs") for run in self._runs(point)]
        if not rows or not all(rows):
            return None
        return tuple(sum(row[key] for row in rows) / len(rows) for key in ("sparse", "dense"))

    def row(self, point: Point) -> dict:
        """The ledger's row of the first seed."""
        return self._runs(point)[0].rows[point.number]

    def _runs(self, point: Point) -> list[Run]:
        mine = {one.run.seed: one.run for one in self.searches[point.method]}
        return [mine[seed] for seed in point.seeds]

    def _with_tests(self, point: Point) -> Point:
        """Where one seed was kept without errors by utterance, the test that its ledger recorded."""
        if len(point.seeds) > 1 or point.number == 0:
            return point
        recorded = {name: score_of(self.row(point), self.inference, name) or {} for name in point.scores}
        return replace(point, scores={name: _recorded(score, recorded[name]) for name, score in point.scores.items()})


def _recorded(score: Score, recorded: dict) -> Score:
    return score if score.p_dense is not None else replace(score, p_dense=recorded.get("p_worse"))


def findings(experiment: Experiment, training: str = CLEAN) -> list[Findings]:
    """Of an experiment in a training condition, for each inference of its reference; methods without are left out."""
    searches = experiment.methods(training)
    made = []
    for tag in dict.fromkeys(tag for one in next(iter(searches.values()), []) for tag in _tags(one)):
        having = {name: [one for one in several if tag in _tags(one)] for name, several in searches.items()}
        made.append(Findings(experiment, training, tag, {name: several for name, several in having.items() if several}))
    return made


def _tags(one: Kept) -> list[str]:
    return list(dict.fromkeys(tag for row in one.run.rows.values() for tag in row.get("scores", {})))
