"""The sections of a page. Each is another view on what the commands table, compare, layers, ... print."""

from collections.abc import Iterator
from functools import partial

from audio_lottery.report import compare_plot, compare_table, noise, table
from audio_lottery.report.cost import configuration, costs
from audio_lottery.report.html.inputs import Inputs
from audio_lottery.report.html.masks import density, overlaps
from audio_lottery.report.html.models import changed, pareto, speed
from audio_lottery.report.html.parts import Lines, Pictures, Section, Table
from audio_lottery.report.plot import plot_wer
from audio_lottery.report.summary import facts
from audio_lottery.report.table import MISSING, percent, steps


def build(inputs: Inputs) -> Iterator[Section]:
    """All sections there is something to show in, drawing their pictures into the page's folder."""
    pictures = Pictures(inputs.out)
    for section in (wer, compared, noisy, pareto, cost, curves, density, overlaps, changed, speed, made):
        found = section(inputs, pictures)
        if found is not None:
            yield found


def wer(inputs: Inputs, pictures: Pictures) -> Section:
    """WER against remaining weights, the rounds' table and the tickets."""
    results = inputs.clean
    chosen = table.tickets(results)
    parts = [Lines(chosen)]
    if any(results.score(row["round"], name) for row in results.rows for name in results.sets):
        alt = "WER against remaining weights, a line a set with its interval, dense level dashed. " + ". ".join(chosen)
        parts.append(pictures.draw("wer", "WER against remaining weights", alt, partial(plot_wer, results)))
    heads, rows = table.cells(results, results.sets)
    marks = {0: "dense", results.choice.best: "best", results.choice.extreme: "extreme"}
    if results.choice.best == results.choice.extreme:
        marks[results.choice.best] = "extreme, best"
    rows = [[*cells, marks.get(row["round"], "")] for cells, row in zip(rows, results.rows, strict=True)]
    parts.append(Table("Rounds", [*heads, "ticket"], rows, table.legend(results)))
    intro = f"Tickets are chosen on {results.dev} alone; a test set chooses nothing."
    if len(inputs.exps) > 1:
        intro += f" {len(inputs.exps)} searches are pooled: errors and words are summed over them."
    return Section("wer", "WER against remaining weights", intro, parts)


def compared(inputs: Inputs, pictures: Pictures) -> Section | None:
    """Methods and controls, each over its seeds."""
    points = inputs.points
    if not points:
        return None
    parts = []
    for name in inputs.clean.sets:
        if not any(name in point.scores for point in points):
            continue
        alt = f"WER on {name} against remaining weights of the whole model, a line a method: " + "; ".join(
            _span(method, [point for point in points if point.method == method and name in point.scores], name)
            for method in dict.fromkeys(point.method for point in points))
        draw = partial(compare_plot.plot, points, sets=[name])
        parts.append(pictures.draw(f"compare_{name}", f"Methods over seeds, {name}", alt, draw))
    parts.append(Table("Methods", *compare_table.cells(points), compare_table.legend(points[0].method)))
    intro = ("Means over seeds. From three seeds on the band (the bar, of many methods) is the 95% interval of the "
             "mean by Student's t, below that it goes from the lowest seed to the highest.")
    return Section("compare", "Seeds, methods and controls", intro, parts)


def _span(method: str, points, name: str) -> str:
    if not points:
        return f"{method} not scored"
    first, last = points[0], points[-1]
    return (f"{method} from {first.scores[name].mean:.1f}% at {percent(first.density_whole)}% of the weights to "
            f"{last.scores[name].mean:.1f}% at {percent(last.density_whole)}%")


def noisy(inputs: Inputs, pictures: Pictures) -> Section | None:
    """WER by SNR, where noisy copies of a test set are scored."""
    searches = {name: inputs.rows(exps) for name, exps in {inputs.name: inputs.exps, **inputs.others}.items()}
    sets = {name for rows in searches.values() for row in rows for scores in row.get("scores", {}).values()
            for name in scores}
    if not noise.noisy_copies(sets):
        return None
    parts = []
    for name, lines in noise.collect(searches, inputs.inference).items():
        columns = noise.snrs(lines)
        heads = ["search", "round", "scope %", *(noise.name_of(snr) + " dB" * (snr is not None) for snr in columns)]
        rows = [[line.training, str(line.round), percent(line.density),
                 *(f"{line.scores[snr]['wer']:.1f}" if snr in line.scores else MISSING for snr in columns)]
                for line in lines]
        alt = f"WER on {name} by SNR, a panel a search, a line a density; the table below has its values"
        parts += [pictures.draw(f"noise_{name}", f"WER by SNR, {name}", alt, partial(noise.plot, lines)),
                  Table(f"{name}: WER (%) by SNR", heads, rows)]
    return Section("noise", "Noise", "WER on copies of the test sets with noise mixed in at an SNR.", parts)


def cost(inputs: Inputs, pictures: Pictures) -> Section | None:
    """Training steps of each ticket, with those that found it."""
    rows = inputs.results.rows
    found = costs(rows, configuration(inputs.exps[0]))
    cells = [[str(row["round"]), percent(row.get("density_scope")), steps(row.get("epochs")),
              steps(row.get("train_seconds") or None), *map(steps, (one.own, one.search, one.steps, one.dense))]
             for row in rows for one in [found[row["round"]]]]
    heads = ["round", "scope %", "epochs", "seconds", "own steps", "to find", "all", "all, dense"]
    legend = ("own steps: of the ticket's own training. to find: training steps before that. all, dense: both in steps "
              "of the dense model, each weighed by the multiply-accumulates that remain. seconds: of the round's "
              "training, - where the model was taken over.")
    return Section("cost", "What the search cost", "", [Table("Training by round", heads, cells, legend)])


def curves(inputs: Inputs, pictures: Pictures) -> Section | None:
    """Dev scores by epoch, from train.log; a picture a search."""
    from audio_lottery.report.curves import plot_curves, read_curves, shown

    parts = []
    for at, exp in enumerate(inputs.exps):
        found = read_curves(exp, inputs.rows([exp]))
        if found:
            lowest = (f"round {number} {min(one['loss'].values()):.3g}" for number, one in found.items()
                      if "loss" in one)
            alt = (f"dev {' and '.join(shown(found))} by epoch of {exp.name}, a line a round. "
                   f"Lowest loss: {', '.join(lowest)}")
            parts.append(pictures.draw(f"curves_{at}" if at else "curves", f"Dev scores by epoch, {exp.name}", alt,
                                       partial(plot_curves, found), folded=at > 0))
    return Section("curves", "Training", "Scores on the dev set after each epoch.", parts) if parts else None


def made(inputs: Inputs, pictures: Pictures) -> Section:
    """What is needed to make all this again."""
    parts = [Lines(facts(inputs.results))]
    if inputs.commands:
        parts.append(Lines(inputs.commands, code=True))
    return Section("made", "How it was made", "", parts)
