"""The picture of a search: WER against remaining weights."""

from collections.abc import Iterable
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import atomic_path
from audio_lottery.report.table import Results

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito: for all eyes
MARKS = {"extreme": ("v", "extreme ticket"), "best": ("*", "best ticket")}


def plot_wer(results: Results, *paths: str | Path) -> bool:
    """Draw WER with its interval per set, the dense model and the tickets to PNG and SVG files.

    Rounds without scores or densities are left out; False, and no file, if nothing is left.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    drawn = {
        name: points
        for name, colour in zip(results.sets, COLOURS * len(results.sets), strict=False)
        if (points := _draw_set(axes, results, name, colour))
    }
    if not drawn:
        return False
    _finish(axes, [x for points in drawn.values() for x in points])
    save(figure, *paths)
    return True


def save(figure, *paths: str | Path) -> None:
    """Write a figure as PNG or SVG, by the names; equal figures give equal bytes, text stays text."""
    import matplotlib

    for path in paths:
        kind = Path(path).suffix.removeprefix(".")
        if kind not in ("png", "svg"):
            raise LotteryError(f"{path}: a picture is .png or .svg: name it so")
        settings = {"svg.hashsalt": "audio_lottery", "svg.fonttype": "none"}
        with atomic_path(path) as temporary, matplotlib.rc_context(settings):
            figure.savefig(temporary, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)


def _draw_set(axes, results: Results, name: str, colour: str) -> list[float]:
    """Draw a set's line, band, dense level and ticket marks; its remaining weights in %."""
    rows = [row for row in results.rows if row.get("density_scope") and results.score(row["round"], name)]
    rows.sort(key=lambda row: -row["density_scope"])
    if not rows:
        return []
    x = [100 * row["density_scope"] for row in rows]
    scores = [results.score(row["round"], name) for row in rows]
    axes.plot(x, [score["wer"] for score in scores], "o-", color=colour, markersize=4, label=name)
    low, high = zip(*(score["ci"] for score in scores), strict=True)
    axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    if dense := results.score(0, name):
        axes.axhline(dense["wer"], color=colour, linestyle="--", linewidth=1, label=f"{name}, dense")
    for choice, (marker, _) in MARKS.items():
        number = getattr(results.choice, choice)
        if number in [row["round"] for row in rows]:
            at = [row["round"] for row in rows].index(number)
            axes.plot(x[at], scores[at]["wer"], marker, color=colour, markersize=13,
                      markeredgecolor="black", linestyle="none", zorder=3)
    return x


def _finish(axes, x: list[float]) -> None:
    for marker, name in MARKS.values():
        axes.plot([], [], marker, color="white", markeredgecolor="black", markersize=11, linestyle="none",
                  label=name)
    density_axis(axes, x)
    axes.set_xlabel("remaining weights in scope (%)")
    axes.set_ylabel("WER (%), band: 95% interval")
    axes.legend(fontsize=7, ncols=2)


def density_axis(axes, x: Iterable[float]) -> None:
    """Remaining weights in % on a log axis, from dense to sparse, as the rounds go; WER from 0."""
    from matplotlib.ticker import NullLocator

    axes.set_xscale("log")
    axes.invert_xaxis()
    values = sorted(set(x), reverse=True)
    # Labels need room, and a search of many rounds has more than fit.
    ticks = _spaced(values, max(1.12, (values[0] / values[-1]) ** (1 / 12)))
    axes.set_xticks(ticks, [f"{tick:.3g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)


def _spaced(x: list[float], ratio: float) -> list[float]:
    """Falling values of which neighbours are far enough apart to be labelled on a log axis."""
    kept = x[:1]
    for value in x[1:]:
        if kept[-1] >= value * ratio:
            kept.append(value)
    return kept
