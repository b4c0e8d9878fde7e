"""What a ticket costs to run against what it recognises: multiply-accumulates and file size, with the Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audio_lottery.report.plot import COLOURS, save


@dataclass(frozen=True)
class Model:
    """A round: what it costs (in the axis's unit) and its WER in %."""

    round: int
    cost: float
    wer: float


def front(models: Sequence[Model]) -> list[Model]:
    """The models that no other beats in one of cost and WER and equals in the other, from cheap to dear."""
    best: list[Model] = []
    for model in sorted(models, key=lambda model: (model.cost, model.wer)):
        if not best or model.wer < best[-1].wer:
            best.append(model)
    return best


def plot_front(models: Sequence[Model], axis: str, dataset: str, *paths: str | Path) -> None:
    """Draw WER over cost: a dot a round with its number, the front as a stair, the dense level dashed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    best = front(models)
    axes.plot([one.cost for one in models], [one.wer for one in models], "o", color=COLOURS[0], markersize=5,
              label="round")
    axes.step([one.cost for one in best], [one.wer for one in best], where="post", color=COLOURS[1],
              marker="o", markersize=9, markerfacecolor="none", label="Pareto front")
    for one in models:
        axes.annotate(str(one.round), (one.cost, one.wer), xytext=(4, 4), textcoords="offset points", fontsize=7)
    dense = next((one for one in models if one.round == 0), None)
    if dense:
        axes.axhline(dense.wer, color=COLOURS[0], linestyle="--", linewidth=1, label="dense")
    # Room above and at the right for the rounds' numbers.
    top, right = (1.1 * max(*values, 1e-9) for values in ([0, *(one.wer for one in models)],
                                                          [0, *(one.cost for one in models)]))
    axes.set(xlabel=axis, ylabel=f"{dataset} WER (%)", xlim=(0, right), ylim=(0, top))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    save(figure, *paths)
