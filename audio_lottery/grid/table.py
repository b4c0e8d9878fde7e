"""One table of a grid's finished cells: methods over seeds, for each combination of the other axes."""

from collections.abc import Sequence
from pathlib import Path

from audio_lottery.fileio import write_json, write_text
from audio_lottery.grid.cells import Cell
from audio_lottery.ledger import Ledger
from audio_lottery.report.compare import compare
from audio_lottery.report.compare_plot import plot
from audio_lottery.report.compare_table import to_json, to_markdown

Methods = dict[str, list[Path]]


def groups(cells: Sequence[Cell]) -> dict[str, Methods]:
    """Combination of the other axes -> method -> folders of its scored searches, one a seed.

    Without an axis called ``method``, the last one besides ``seed`` is what is compared.
    """
    found: dict[str, Methods] = {}
    for cell in cells:
        others = {axis: value for axis, value in cell.at.items() if axis != "seed"}
        named = "method" if "method" in others else next(reversed(others), None)
        method = others.pop(named, "search")
        if any(row.get("scores") for row in Ledger(cell.exp / "rounds.jsonl").rows):
            found.setdefault("_".join(others.values()), {}).setdefault(method, []).append(cell.exp)
    return found


def collect(cells: Sequence[Cell], folder: Path) -> str:
    """Write compare.{md,json,png,svg} into ``folder``, or a folder below it for each combination; the tables.

    cells: those that are done. Cells that end before scoring are left out.
    """
    texts = []
    for name, methods in groups(cells).items():
        points, place = compare(methods), folder / name
        drawn = plot(points, place / "compare.png", place / "compare.svg")
        table = to_markdown(points)
        picture = "\n\n![WER against remaining weights](compare.png)" if drawn else ""
        write_text(place / "compare.md", f"{table}{picture}\n")
        write_json(place / "compare.json", to_json(points))
        texts.append(f"{name}\n\n{table}" if name else table)
    return "\n\n".join(texts)
