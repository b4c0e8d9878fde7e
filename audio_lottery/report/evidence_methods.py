"""Parts of RESULTS.md on methods: side by side at equal densities with a picture, and round by round."""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import log
from pathlib import Path

from audio_lottery.report import compare_plot
from audio_lottery.report.claims import clean_tests
from audio_lottery.report.compare import Point, nearest
from audio_lottery.report.compare_table import cells
from audio_lottery.report.evidence import Experiment, Kept
from audio_lottery.report.evidence_tables import table, title
from audio_lottery.report.findings import ALPHA, Findings, findings
from audio_lottery.report.table import MISSING, percent

MANY = 4  # methods from which on they are shown side by side
SAME = 1.2  # ratio up to which two densities are compared as equal
FOLDED = 6  # commands that a page shows unfolded
ABOUT = """\
Each method's ticket of the density nearest to imp's (at most {most:.0f}% away), mean ± standard deviation over seeds.
**bold**: the lowest of a column. †: found worse than the dense model, \\*: than imp's ticket of the nearest density
(paired test over utterances, p < 0.05). A method of one seed says so: that is little to judge it by. Costs are of the
ticket at {at}% of the model. *to find*: training steps before its own training. *all, dense*: all steps in those of the
dense model, each weighed by the multiply-accumulates that remain."""


def section(clean: Sequence[Findings], folder: Path) -> list[str]:
    """Experiments of many methods: a table a test set and a picture; links are relative to ``folder``."""
    several = [one for one in clean if _many(one)]
    return ["## Methods side by side", *(part for one in several for part in _side_by_side(one, folder))] \
        if several else []


def pictures(experiments: Sequence[Experiment]) -> dict[Path, Callable[[Path], object]]:
    """File -> what draws it: of the experiments of many methods, all methods over density."""
    return {_picture(one): partial(_draw, one) for experiment in experiments for one in findings(experiment)
            if _many(one)}


def details(one: Findings, folder: Path) -> list[str]:
    """All rounds of all methods, how they were made, pictures."""
    first = one.searches[one.reference][0]
    row = one.row(one.points[0])
    size = f"{row['numel_whole']:,} parameters, {row['numel_scope']:,} in scope" if "numel_whole" in row else ""
    facts = [size, one.traits["frames"], one.traits["features"], f"{row.get('epochs')} epochs a round",
             f"decoding {one.inference}", f"tickets chosen on {one.dev}",
             ", ".join(f"{key} {value}" for key, value in (row.get("versions") or {}).items())]
    ledgers = "; ".join(f"{name} {_ledgers(several, folder)}" for name, several in one.searches.items())
    commands = list(dict.fromkeys(line for several in one.searches.values() for each in several
                                  for line in each.commands))
    picture = first.folder / "wer.png"
    shown = f"![WER against remaining weights, {first.name}]({picture.relative_to(folder)})" if picture.exists() else ""
    return [f"### {title(one)}", "; ".join(filter(None, facts)) + f". Ledgers: {ledgers}.",
            table(*cells(one.points)), _commands(commands), shown]


def _many(one: Findings) -> bool:
    return len([name for name in one.searches if one.tickets(name)]) >= MANY


def _side_by_side(one: Findings, folder: Path) -> Iterator[str]:
    columns = [point.density_whole for point in one.tickets(one.reference)]
    at = (one.extreme or one.best or one.tickets(one.reference)[-1]).density_whole
    yield f"### {title(one)}: methods"
    yield ABOUT.format(most=100 * (SAME - 1), at=percent(at))
    for dataset in clean_tests(one):
        grid = {name: _at(one.tickets(name), columns) for name in one.searches if one.tickets(name)}
        best = [min((point.scores[dataset].mean for points in grid.values()
                     if (point := points[column]) and dataset in point.scores), default=None)
                for column in range(len(columns))]
        heads = [f"{dataset} WER", "seeds", *(f"{percent(density)}%" for density in columns), "to find", "all, dense"]
        rows = [[name + " (one seed)" * (seeds == 1), str(seeds),
                 *(_cell(point, dataset, low, seeds) for point, low in zip(points, best, strict=True)),
                 *_cost(_at(one.tickets(name), [at])[0])]
                for name, points in grid.items() for seeds in [len(one.searches[name])]]
        dense = one.dense.scores[dataset] if one.dense and dataset in one.dense.scores else None
        if dense:
            spread = "" if dense.spread is None else f" ± {dense.spread:.1f}"
            yield f"Dense: {dataset} WER {dense.mean:.1f}{spread}, {len(one.dense.seeds)} seed" \
                  f"{'s' * (len(one.dense.seeds) > 1)}."
        yield table(heads, rows)
    yield f"![WER of each method against remaining weights]({_picture(one).relative_to(folder)})"


def _at(tickets: Sequence[Point], columns: Sequence[float]) -> list[Point | None]:
    """For each density the ticket nearest to it, if it is near."""
    near = [nearest(tickets, density) for density in columns]
    return [point if abs(log(point.density_whole / density)) <= log(SAME) else None
            for point, density in zip(near, columns, strict=True)]


def _cell(point: Point | None, dataset: str, best: float | None, seeds: int) -> str:
    score = point.scores.get(dataset) if point else None
    if score is None:
        return MISSING
    text = f"{score.mean:.1f}" + ("" if score.spread is None else f" ± {score.spread:.1f}")
    text = f"**{text}**" if score.mean == best else text
    tests = {"†": score.p_dense, "\\*": score.p_reference}
    marks = "".join(mark for mark, p in tests.items() if p is not None and p < ALPHA)
    return text + marks + (f" ({len(point.seeds)} of {seeds} seeds)" if len(point.seeds) < seeds else "")


def _cost(point: Point | None) -> list[str]:
    values = (point.cost.search, point.cost.dense) if point else (None, None)
    return [MISSING if value is None else f"{value:,.0f}" for value in values]


def _picture(one: Findings) -> Path:
    """Where the picture lies: among the recipe's results."""
    home = one.searches[one.reference][0].home
    name = re.sub(r"[^a-z0-9]+", "_", title(one).lower()).strip("_")
    return home / "results" / f"methods_{name}.png"


def _draw(one: Findings, path: Path) -> None:
    compare_plot.plot(one.points, path, sets=[one.dev, *clean_tests(one)])


def _ledgers(several: Sequence[Kept], folder: Path) -> str:
    """Links to a method's ledgers, by seed."""
    return ", ".join(f"[{one.name if len(several) == 1 else f'seed {one.run.seed}'}]"
                     f"({one.folder.relative_to(folder)}/rounds.jsonl)" for one in several)


def _commands(lines: Sequence[str]) -> str:
    if not lines:
        return ""
    block = "\n".join(["```sh", *lines, "```"])
    return block if len(lines) <= FOLDED else \
        f"<details><summary>The {len(lines)} commands</summary>\n\n{block}\n\n</details>"
