"""Parts of RESULTS.md beside the tickets: noise, transfer, cost, files."""

from collections.abc import Sequence

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_json
from audio_lottery.report import noise
from audio_lottery.report.evidence import Experiment
from audio_lottery.report.evidence_tables import table, title, wer
from audio_lottery.report.findings import Findings
from audio_lottery.report.table import MISSING, p_value, percent, steps

COSTS = """\
Training steps of each method's ticket nearest the extreme one: its own training, what was trained before to find it,
and both in steps of the dense model, each weighed by the multiply-accumulates that remain."""


def noisy(experiments: Sequence[Experiment]) -> list[str]:
    """WER by training condition, density and SNR."""
    made = []
    for experiment in experiments:
        ledgers = {f"{training}, seed {kept.run.seed}": list(kept.run.rows.values())
                   for training in experiment.trainings for kept in experiment.methods(training).get("imp", [])}
        tag = next((tag for rows in ledgers.values() for row in rows for tag in row.get("scores", {})), None)
        try:
            tables = noise.collect(ledgers, tag)
        except LotteryError:
            continue  # nothing of it was scored on noisy sets
        text = noise.to_markdown(tables).replace("## ", "#### ")
        made.append(f"### {experiment.name}, {experiment.where}\n\n{text}")
    return ["## Noise", *(made or ["No kept search was scored on noisy test sets."])]


def transfer(clean: Sequence[Findings]) -> list[str]:
    """Transferred tickets beside the corpus's own."""
    made = []
    for one in clean:
        points = [point for method in one.searches if method.startswith("transferred") for point in one.tickets(method)]
        if not points:
            continue
        own = [point for point in (one.near(one.reference, each.density_whole) for each in points) if point]
        rows = [[point.method, percent(point.density_whole), *(wer(one, point, name) for name in one.tests),
                 *(p_value(point.scores[name].p_dense) if name in point.scores else MISSING for name in one.tests)]
                for point in [*filter(None, [one.dense]), *dict.fromkeys(own), *points]]
        heads = ["ticket", "model %", *(f"{name} WER" for name in one.tests), *(f"{name} p" for name in one.tests)]
        made.append(f"### {title(one)}\n\n" + table(heads, rows))
    return ["## Transfer", *(made or ["No kept search took its masks from another corpus."])]


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
