"""Parts of RESULTS.md beside the tickets: noise, transfer, cost, files."""

from collections.abc import Sequence

from audio_lottery.fileio import read_json
from audio_lottery.report.compare import Point
from audio_lottery.report.evidence import Experiment
from audio_lottery.report.evidence_tables import table, title, wer
from audio_lottery.report.findings import ALPHA, Findings, findings
from audio_lottery.report.table import MISSING, p_value, percent, steps

COSTS = """\
Training steps of each method's ticket nearest the extreme one: its own training, what was trained before to find it,
and both in steps of the dense model, each weighed by the multiply-accumulates that remain."""

NOISE = """\
WER in % on the test set and on copies of it mixed with noise at an SNR in dB (test_snr10: 10 dB), by what was trained
on: mean ± standard deviation over seeds. †: found worse than the dense model of the same training, ↓: found better
(paired test over utterances, p < 0.05; many are made, some of these marks are chance)."""


def noisy(experiments: Sequence[Experiment]) -> list[str]:
    """WER by training condition, density and SNR; nothing where no noisy set was scored."""
    made = []
    for experiment in experiments:
        several = [one for training in experiment.trainings for one in findings(experiment, training)
                   if one.reference.split(",")[0] == "imp" and any("_snr" in name for name in one.tests)]
        columns = list(dict.fromkeys(name for one in several for name in one.tests))
        rows = [[one.training, str(len(point.seeds)), percent(point.density_whole), percent(point.density_scope),
                 *(_marked(one, point, name) for name in columns)]
                for one in several for point in one.points if point.method == one.reference]
        if rows:
            heads = ["trained on", "seeds", "model %", "scope %", *columns]
            made.append(f"### {experiment.name}, {experiment.where}\n\n" + table(heads, rows))
    return ["## Noise", NOISE, *made] if made else []


def _marked(one: Findings, point: Point, dataset: str) -> str:
    """WER, spread over seeds, and whether the test tells it from the dense model of the same training."""
    score = point.scores.get(dataset)
    if score is None:
        return MISSING
    text = f"{score.mean:.1f}" + (f" ± {score.spread:.1f}" if score.spread is not None else "")
    less = one.difference(point, one.dense, dataset) if one.dense and point.number else None
    worse, better = score.p_dense, less and less[2]
    return text + ("†" if worse is not None and worse < ALPHA else "↓" if better is not None and better < ALPHA else "")


def transfer(clean: Sequence[Findings]) -> list[str]:
    """Transferred tickets beside the corpus's own; nothing where there are none."""
    made = []
    for one in clean:
        points = [point for method in one.searches if method.startswith("transferred") for point in one.tickets(method)]
        if not points:
            continue
        near = [point for point in (one.near(one.reference, each.density_whole) for each in points) if point]
        own = {point.number: point for point in near}.values()
        rows = [[point.method if point.number else "dense", percent(point.density_whole),
                 *(wer(one, point, name) for name in one.tests),
                 *(p_value(point.scores[name].p_dense) if name in point.scores else MISSING for name in one.tests)]
                for point in [*filter(None, [one.dense]), *own, *points]]
        heads = ["ticket", "model %", *(f"{name} WER" for name in one.tests), *(f"{name} p" for name in one.tests)]
        made.append(f"### {title(one)}\n\n" + table(heads, rows))
    return ["## Transfer", *made] if made else []


def cost(clean: Sequence[Findings]) -> list[str]:
    """Training steps of the tickets nearest the extreme one."""
    rows = []
    for one in clean:
        at = one.extreme or one.best
        for method in one.searches:
            point = one.near(method, at.density_whole) if at else None
            if point:
                found = point.cost.own, point.cost.search, point.cost.dense
                rows.append([title(one), method, percent(point.density_whole), *map(steps, found)])
    heads = ["experiment", "method", "model %", "own steps", "to find it", "all, dense"]
    return ["## What a ticket costs", COSTS, table(heads, rows)]


def sizes(experiments: Sequence[Experiment]) -> list[str]:
    """Files of exported tickets, from the export.json of stage 9."""
    rows = []
    for experiment in experiments:
        for kept in experiment.searches:
            path = kept.folder / "export.json"
            for one in read_json(path)["files"] if path.exists() else ():
                rows.append([experiment.name, kept.method, str(kept.run.seed), str(one["round"]), one["file"],
                             f"{one['bytes']:,}", f"{one['dense_bytes'] / one['bytes']:.1f}"])
    heads = ["experiment", "method", "seed", "round", "file", "bytes", "dense fp32 weights over it"]
    return ["## Files", table(heads, rows) if rows else "No kept search has exported files (stage 9)."]
