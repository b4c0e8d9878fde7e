"""The comparison of searches as a Markdown table and as plain values."""

import dataclasses
from collections.abc import Sequence

from audio_lottery.report.compare import Point, Score, nearest
from audio_lottery.report.table import MISSING, p_value, percent, steps

LONG = 10  # characters of a method's name in heads of columns


def at_densities(points: Sequence[Point], densities: Sequence[float]) -> list[Point]:
    """Of each method the points nearest these shares of the whole model, and the dense model."""
    by_method: dict[str, list[Point]] = {}
    for point in points:
        by_method.setdefault(point.method, []).append(point)
    chosen = [nearest([one for one in several if one.number], density) for several in by_method.values()
              for density in densities if any(one.number for one in several)]
    return [point for point in points if point.number == 0 or point in chosen]


def to_markdown(points: Sequence[Point]) -> str:
    """A row a point: remaining weights, WER with spread and tests by set, cost."""
    heads, rows = cells(points)
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *rows]
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", legend(points[0].method)])


def cells(points: Sequence[Point]) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of the table as text; what is missing is "-"."""
    reference, sets = points[0].method, _sets(points)
    heads = ["method", "round", "seeds", "model %", "scope %"]
    for name in sets:
        heads += [f"{name} WER", "p dense", f"p {_brief(reference)}"]
    heads += ["steps", "to find", "all, dense", f"of {_brief(reference)}'s"]
    return heads, [_cells(point, sets) for point in points]


def legend(reference: str) -> str:
    """What the columns mean."""
    return (
        "model, scope: weights that remain, of all and of those that may be pruned. WER: mean ± standard deviation "
        "over seeds (no ±: one seed).\n"
        f"p: of the paired permutation test for \"worse than\" the dense models (p dense), and than {reference}'s "
        f"tickets of the nearest density (p {_brief(reference)}), errors summed over the seeds by utterance; from 0.05 "
        "on it matches.\n"
        "steps: of the ticket's own training. to find: training steps before that. all, dense: both in steps of the "
        "dense model, each weighed by the multiply-accumulates that remain. "
        f"of {_brief(reference)}'s: all steps over those of {reference}'s ticket of the nearest density.\n"
        "Batches that data-driven criteria look at are not counted."
    )


def _brief(reference: str) -> str:
    """A name for heads of columns, which a folder's name would make wide."""
    return reference if len(reference) <= LONG else "first"


def to_json(points: Sequence[Point]) -> list[dict]:
    """Plain values of every point."""
    return [{**dataclasses.asdict(point), "seeds": list(point.seeds),
             "cost": {**dataclasses.asdict(point.cost), "steps": point.cost.steps, "dense": point.cost.dense},
             "scores": {name: {"wers": list(score.wers), "mean": score.mean, "spread": score.spread,
                               "p_dense": score.p_dense, "p_reference": score.p_reference}
                        for name, score in point.scores.items()}} for point in points]


def _cells(point: Point, sets: Sequence[str]) -> list[str]:
    name = "dense" if point.number == 0 else point.method
    cells = [name, str(point.number), str(len(point.seeds)), percent(point.density_whole), percent(point.density_scope)]
    for one in sets:
        score = point.scores.get(one)
        cells += [_wer(score), *map(p_value, _tests(score))]
    share = MISSING if point.share is None else f"{point.share:.2f}"
    return [*cells, *map(steps, (point.cost.own, point.cost.search, point.cost.dense)), share]


def _sets(points: Sequence[Point]) -> list[str]:
    return list(dict.fromkeys(name for point in points for name in point.scores))


def _tests(score: Score | None) -> tuple[float | None, float | None]:
    return (score.p_dense, score.p_reference) if score else (None, None)


def _wer(score: Score | None) -> str:
    if score is None:
        return MISSING
    return f"{score.mean:.1f}" + ("" if score.spread is None else f" ± {score.spread:.1f}")
