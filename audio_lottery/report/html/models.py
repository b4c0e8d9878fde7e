"""Sections on the models themselves: size and work against WER, changed utterances, the engine's speed."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_text, write_csv
from audio_lottery.layout import Layout
from audio_lottery.report.changes import audio_links, read_changes
from audio_lottery.report.changes import rows as change_rows
from audio_lottery.report.html.inputs import Inputs
from audio_lottery.report.html.parts import Changes, Pictures, Section, Table
from audio_lottery.report.pareto import Model, front, plot_front
from audio_lottery.report.table import MISSING, Results, measured, percent

# Utterances shown of each kind and set; all are in changes.csv.
SHOWN = 25


def pareto(inputs: Inputs, pictures: Pictures) -> Section | None:
    """Multiply-accumulates and file sizes against WER of the first test set, else of dev."""
    results = inputs.clean
    dataset = next((name for name in [*results.tests, results.dev]
                    if any(results.score(row["round"], name) for row in results.rows)), None)
    if dataset is None:
        return None
    wers = {row["round"]: score["wer"] for row in results.rows if (score := results.score(row["round"], dataset))}
    parts, columns = [], []
    sizes = _sizes(inputs, wers)
    for name, title, head, axis, costs, digits in (
            ("macs", "Work", "MACs (10⁹)", *_works(results), 3),
            ("size", "File size", "file (kB)", f"ticket file, {inputs.sizes} values (kB)", sizes, 0)):
        models = [Model(number, costs[number], wers[number]) for number in wers if number in costs]
        if not models:
            continue
        best = front(models)
        alt = f"{dataset} WER over {axis}. Pareto front: " + ", ".join(
            f"round {one.round} {one.wer:.1f}% at {one.cost:.3g}" for one in best)
        parts.append(pictures.draw(name, f"{title} against WER, {dataset}", alt,
                                   partial(plot_front, models, axis, dataset)))
        columns.append((head, costs, {one.round for one in best}, digits))
    if not columns:
        return None
    rows = [[str(row["round"]), percent(row.get("density_whole")), _cell(wers.get(row["round"]), 1),
             *(cell for _, costs, best, digits in columns
               for cell in (_cell(costs.get(row["round"]), digits), "yes" if row["round"] in best else "no"))]
            for row in results.rows]
    heads = ["round", "model %", f"{dataset} WER", *(text for head, *_ in columns for text in (head, "on front"))]
    legend = ("On the front: no other round has both less WER and less of that, or equals it in one. kB: 1,000 bytes; "
              f"the file holds mask, {inputs.sizes} values, configuration and tokens"
              f"{f' of {inputs.exps[0].name}' if inputs.exps[1:] else ''}." if sizes else
              "On the front: no other round has both less WER and less work.")
    return Section("pareto", "Size and work against WER", "", [*parts, Table("Cost by round", heads, rows, legend)])


def _works(results: Results) -> tuple[str, dict[int, float]]:
    """The axis, and 10⁹ multiply-accumulates by round."""
    counted = {row["round"]: row["macs"] for row in results.rows if row.get("macs")}
    seconds = next((one["seconds"] for one in counted.values()), 0)
    return (f"multiply-accumulates for {seconds:g} s of audio (10⁹)",
            {number: one["sparse"] / 1e9 for number, one in counted.items()})


def _sizes(inputs: Inputs, rounds: Mapping[int, float]) -> dict[int, float]:
    """kB of the first search's rounds as ticket files, of those whose models are there, archived ones too."""
    if inputs.sizes is None:
        return {}
    from audio_lottery.export import container, ticket_file
    from audio_lottery.export.folder import ARCHIVED, from_folder

    found, layout = {}, Layout(inputs.exps[0])
    for number in rounds:
        folder = layout.round(number)
        # A round that prunes nothing, as a small dense model, has no mask and no ticket file.
        if (folder / "config.yaml").exists() and (number == 0 or layout.mask(number).exists()):
            try:
                kept = folder / ARCHIVED
                ticket = ticket_file.read(kept) if kept.exists() else from_folder(folder)
                sections = ticket_file.to_sections(ticket, inputs.sizes)
            except LotteryError:
                continue  # its model was deleted
            found[number] = len(container.build(sections)) / 1000
    return found


def changed(inputs: Inputs, pictures: Pictures) -> Section | None:
    """Utterances that the ticket recognises otherwise than the dense model, of the first search."""
    number, tag, exp = inputs.ticket, inputs.results.inference, inputs.exps[0]
    if number is None or tag is None:
        return None
    parts, table = [], []
    for name in inputs.clean.sets:
        changes = read_changes(exp, number, tag, name)
        if not changes:
            continue
        table += change_rows(changes, name)
        worse = [one for one in changes if one.gain < 0]
        better = [one for one in reversed(changes) if one.gain > 0]
        note = (f"{len(worse)} utterances got worse, {len(better)} better, {len(changes) - len(worse) - len(better)} "
                f"changed with as many errors.")
        parts.append(Changes(name, worse[:SHOWN], better[:SHOWN], note, audio_links(inputs.data, name, inputs.out)))
    if not parts:
        return None
    write_csv(inputs.out / "changes.csv", table)
    intro = (f"Round {number} of {exp.name} against its dense model, utterance by utterance; wrong words are "
             f"underlined, inserted ones have a +. Up to {SHOWN} of a kind are shown, the largest change first; "
             "changes.csv has all.")
    return Section("changes", "What got better, what got worse", intro, parts)


def speed(inputs: Inputs, pictures: Pictures) -> Section | None:
    """The results of benchmarks, as their last line gives them."""
    parts = []
    for path in inputs.benchmarks:
        found = _last_object(path)
        rows = found.pop("rows", None) or [found]
        heads = list(dict.fromkeys(key for row in rows for key in row))
        about = ", ".join(f"{key} {value}" for key, value in found.items()) if rows != [found] else ""
        cells = [[measured(row.get(head)) for head in heads] for row in rows]
        parts.append(Table(path.stem, heads, cells, about))
    return Section("speed", "Speed", "As the benchmarks printed it, on the processor named below each table.",
                   parts) if parts else None


def _last_object(path: Path) -> dict:
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    try:
        found = json.loads(lines[-1])
        if isinstance(found, dict) and all(isinstance(row, dict) for row in found.get("rows", [])):
            return found
    except (json.JSONDecodeError, IndexError, TypeError):
        pass
    raise LotteryError(f"{path}:{len(lines)}: no JSON object on the last line: give a file that holds what a benchmark "
                       "printed")


def _cell(value: float | None, digits: int) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"
