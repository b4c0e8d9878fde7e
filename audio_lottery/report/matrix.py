"""Heat maps: the overlap of tickets, and densities by layer and round."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audio_lottery.report.plot import save

# Numbers on coloured cells. Not plain black, which the page shows in the reader's own colour of text.
ON_DARK, ON_LIGHT = "#ffffff", "#111111"


def plot_overlap(pairs: Sequence[dict], *paths: str | Path) -> None:
    """Draw the Jaccard index of every pair of tickets and how far it is above chance (0: chance, 1: most there is).

    pairs: of ``audio-lottery overlap --json``: first, second, all: jaccard, jaccard_by_chance, above_chance.
    """
    names = list(dict.fromkeys(name for pair in pairs for name in (pair["first"], pair["second"])))
    shown = short(names)
    size = 2.4 + 0.55 * len(names)
    figure, panels = _figure(2, 2 * size, size)
    for axes, title, key in zip(panels, ("overlap (Jaccard, %)", "above chance (%)"), ("jaccard", "above_chance"),
                                strict=True):
        values = np.full((len(names), len(names)), np.nan)
        for pair in pairs:
            at = names.index(pair["first"]), names.index(pair["second"])
            values[at] = values[at[::-1]] = 100 * pair["all"][key]
        heat_map(axes, values, shown, shown, title)
    save(figure, *paths)


def plot_layers(panels: dict[str, np.ndarray], layers: Sequence[str], columns: Sequence[str], *paths: str | Path
                ) -> None:
    """Draw densities in %, and sign changes if given, title -> [layers, columns], one beside the other."""
    wide = 3.2 + 0.45 * len(columns)
    figure, axes = _figure(len(panels), wide * len(panels), 1.6 + 0.24 * len(layers))
    for one, (title, values) in zip(axes, panels.items(), strict=True):
        # Few weights change their sign: colours up to the most that do.
        heat_map(one, values, layers, columns, title, 100 if one is axes[0] else max(np.nanmax(values), 1.0))
        one.set_xlabel("round")
    save(figure, *paths)


def heat_map(axes, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str, highest: float = 100,
             ) -> None:
    """Values in % with their numbers, (rows, columns), coloured from 0 to ``highest``; NaN stays empty."""
    image = axes.imshow(values, cmap="viridis", vmin=min(0.0, np.nanmin(values)), vmax=highest, aspect="auto")
    slanted = {"rotation": 45, "ha": "right"} if max(map(len, columns)) > 3 else {}
    axes.set_xticks(range(len(columns)), columns, fontsize=7, **slanted)
    axes.set_yticks(range(len(rows)), rows, fontsize=7)
    axes.set_title(title, fontsize=9)
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            dark = image.norm(value) < 0.6
            axes.text(column, row, f"{value:.0f}" if abs(value) >= 9.95 else one_digit(value), ha="center", va="center",
                      fontsize=6, color=ON_DARK if dark else ON_LIGHT)


def one_digit(value: float) -> str:
    """One digit, and no minus before a zero."""
    return f"{round(value, 1) + 0.0:.1f}"


def short(names: Sequence[str]) -> list[str]:
    """Names without the folders in front that they have in common."""
    parts = [Path(name).parts for name in names]
    same = 0
    while all(len(one) > same + 1 for one in parts) and len({one[same] for one in parts}) == 1:
        same += 1
    return ["/".join(one[same:]) for one in parts]


def _figure(panels: int, width: float, height: float):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, panels, squeeze=False)[0])
