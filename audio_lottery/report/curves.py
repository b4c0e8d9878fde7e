"""Dev scores by epoch of each round, from the lines that ESPnet's reporter writes to train.log."""

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from audio_lottery.fileio import read_text
from audio_lottery.report.plot import save

# Shown where they are: the loss and the first other one that has values.
SCORES = ("loss", "cer_ctc", "cer_transducer", "cer", "wer", "acc")
_LINE = re.compile(r"INFO: (\d+)epoch results: .*\[valid\] ([^\[]*)")
_VALUE = re.compile(r"(\w+)=([-+.\w]+)(?=,|\s|$)")

# Round -> score -> {epoch: value}.
Curves = dict[int, dict[str, dict[int, float]]]


def read_curves(exp: Path, rows: Sequence[Mapping]) -> Curves:
    """Of the rounds that have a train.log with whole epochs; an epoch that was trained again counts as it ended.

    rows: of the ledger; a dense model that was taken over has its log where it was trained.
    """
    found: Curves = {}
    for row in rows:
        folder = exp / f"round_{row['round']:02d}"
        logs = [folder / "train.log"]
        model = (row.get("imported") or {}).get("model")
        if isinstance(model, str):
            logs.append(Path(model).parent / "train.log")
        path = next((log for log in logs if log.exists()), None)
        scores = _scores(read_text(path)) if path else {}
        if scores:
            found[row["round"]] = scores
    return found


def _scores(text: str) -> dict[str, dict[int, float]]:
    scores: dict[str, dict[int, float]] = {}
    for epoch, values in _LINE.findall(text):
        for key, value in _VALUE.findall(values):
            if key in SCORES and math.isfinite(number := _number(value)):
                scores.setdefault(key, {})[int(epoch)] = number
    return scores


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def shown(curves: Curves) -> list[str]:
    """The scores worth a panel."""
    there = [key for key in SCORES if any(key in scores for scores in curves.values())]
    return there[:2]


def plot_curves(curves: Curves, *paths: str | Path) -> None:
    """Draw a panel a score, a line a round from dense (dashed) to sparse, coloured from dark to light."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    keys = shown(curves)
    figure = Figure(figsize=(4.2 * len(keys) + 1, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    numbers = sorted(curves)
    for axes, key in zip(figure.subplots(1, len(keys), squeeze=False)[0], keys, strict=True):
        for at, number in enumerate(numbers):
            points: Mapping[int, float] = curves[number].get(key, {})
            # The middle of the map is seen on white and on black.
            colour = colormaps["plasma"](0.2 + 0.6 * at / max(1, len(numbers) - 1))
            axes.plot(list(points), list(points.values()), "--" if number == 0 else "-", color=colour, linewidth=1.2,
                      marker="." if len(points) < 3 else None, label="dense" if number == 0 else f"round {number}")
        axes.set_title(f"dev {key}", fontsize=9)
        axes.set(xlabel="epoch", ylim=_limits(curves, key))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize=7)
    save(figure, *paths)


def _limits(curves: Curves, key: str) -> tuple[float, float]:
    """From 0 to a little above what most epochs have, so that a first epoch doesn't flatten all others."""
    values = sorted(value for scores in curves.values() for value in scores.get(key, {}).values())
    top = max(values[int(0.95 * (len(values) - 1))] * 1.3, 1e-9)
    return min(0.0, values[0]), min(top, values[-1] * 1.05) or top
