"""The picture of linear mode connectivity: dev scores along the line between two models."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from audio_lottery.report.plot import COLOURS, save


def plot_line(rows: Sequence[Mapping[str, float]], barriers: Mapping[str, float], names: Sequence[str],
              path: str | Path) -> None:
    """Draw a panel a score over the share of the second model; dashed: the mean of the ends, as far as it goes.

    rows: {"share", <score>: value}; barriers: score -> its barrier; names: of the two models.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A model of CTC alone has one loss under two names.
    barriers = {key: height for key, height in barriers.items()
                if key == "loss" or any(row[key] != row.get("loss") for row in rows)}
    figure = Figure(figsize=(4.2 * len(barriers), 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    x = [row["share"] for row in rows]
    for axes, (key, height), colour in zip(figure.subplots(1, len(barriers), squeeze=False)[0], barriers.items(),
                                           COLOURS * len(barriers), strict=False):
        y = [row[key] for row in rows]
        axes.plot(x, y, "o-", color=colour, markersize=4)
        axes.axhline((y[0] + y[-1]) / 2, color="black", linestyle="--", linewidth=0.8)
        axes.set_title(f"{key}, barrier {height:.3g}", fontsize=9)
        ends = axes.set_xticks([0, 0.5, 1], [names[0], "half way", names[1]], fontsize=7)
        ends[0].label1.set_ha("left")
        ends[2].label1.set_ha("right")
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
    save(figure, path)
