"""The picture of a comparison: WER against remaining weights, a line a method, a band over its seeds."""

import statistics
from collections.abc import Sequence
from pathlib import Path

from audio_lottery.report.compare import Point, Score
from audio_lottery.report.plot import COLOURS, density_axis, save

# Okabe and Ito's, then four that are seen on white and on black; a method is told apart without colour, too.
METHODS = (*COLOURS, "#7a6fd0", "#aa4499", "#999933", "#777777")
BANDS = 4  # methods up to which bands over seeds can be told apart; bars from there on
MARKERS, LINES = "os^vD*PX<>h", ("-", "--", "-.", ":")


def plot(points: Sequence[Point], *paths: str | Path, sets: Sequence[str] | None = None) -> bool:
    """Draw to PNG and SVG files, a panel a set (default: all); False, and no file, if nothing is scored."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    scored = list(dict.fromkeys(name for point in points for name in point.scores))
    sets = scored if sets is None else [name for name in sets if name in scored]
    if not sets:
        return False
    methods = list(dict.fromkeys(point.method for point in points))
    bars = len(methods) > BANDS
    columns = min(len(methods) + 1, 2 * len(sets))
    rows = -(-(len(methods) + 1) // columns)
    figure = Figure(figsize=(5 * len(sets), 4 + 0.2 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, name in zip(figure.subplots(1, len(sets), squeeze=False)[0], sets, strict=True):
        for index, method in enumerate(methods):
            # Bars of points at one density stand beside each other.
            shift = 0.16 * (index / max(1, len(methods) - 1) - 0.5) if bars else None
            _draw(axes, [point for point in points if point.method == method and name in point.scores], name, index,
                  shift)
        density_axis(axes, [100 * point.density_whole for point in points if name in point.scores])
        axes.set_title(f"; {'bar' if bars else 'band'}: ".join(filter(None, [name, _bands(points, name)])), fontsize=9)
        axes.set_xlabel("remaining weights of the whole model (%)")
        axes.set_ylabel("WER (%), mean over seeds")
    # Below the panels, where it hides no line however many methods there are.
    lines = {line.get_label(): line for axes in figure.axes for line in axes.lines}
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", fontsize=8, ncols=columns,
                  handlelength=3)
    save(figure, *paths)
    return True


def band(score: Score) -> tuple[float, float]:
    """From three seeds on the 95% interval of the mean (Student's t), else the lowest and the highest seed."""
    if len(score.wers) < 3:
        return min(score.wers), max(score.wers)
    from scipy.stats import t

    half = t.ppf(0.975, len(score.wers) - 1) * statistics.stdev(score.wers) / len(score.wers) ** 0.5
    return max(0.0, score.mean - half), score.mean + half


def _bands(points: Sequence[Point], name: str) -> str:
    seeds = {len(point.scores[name].wers) for point in points if name in point.scores}
    many = {count > 2 for count in seeds if count > 1}
    kinds = [text for one, text in ((True, "95% interval"), (False, "lowest to highest")) if one in many]
    return " (below 3 seeds: ".join(kinds) + ")" * (len(kinds) - 1)


def _draw(axes, points: Sequence[Point], name: str, index: int, shift: float | None) -> None:
    """A method's line; shift: None for a band, else how far its bars stand aside, as a share of their density."""
    if not points:
        return
    colour = METHODS[index % len(METHODS)]
    x = [100 * point.density_whole * (1 + (shift or 0) * (point.number > 0)) for point in points]
    scores = [point.scores[name] for point in points]
    seeds = max(len(score.wers) for score in scores)
    label = f"{points[0].method} ({seeds} seed{'s' if seeds > 1 else ''})"
    axes.plot(x, [score.mean for score in scores], LINES[index // len(METHODS) % len(LINES)], color=colour,
              marker=MARKERS[index % len(MARKERS)], markersize=4, label=label,
              **({"alpha": 0.5, "markerfacecolor": "none"} if seeds == 1 and shift is not None else {}))
    low, high = zip(*map(band, scores), strict=True)
    if len(points) > 1 and shift is None:
        axes.fill_between(x, low, high, color=colour, alpha=0.12, linewidth=0)
    else:
        axes.vlines(x, low, high, color=colour, alpha=0.4)
    if points[0].number == 0:
        axes.axhline(scores[0].mean, color="black", linestyle="--", linewidth=0.8, label="dense")
