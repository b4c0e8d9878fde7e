"""The picture of MACs against the length of the audio."""

from collections.abc import Sequence
from pathlib import Path

from audio_lottery.fileio import atomic_path
from audio_lottery.metrics.macs import AsrMacs


def plot_macs(counts: Sequence[AsrMacs], path: str | Path) -> None:
    """Draw the totals, dense and sparse, and the parts that sparsity leaves as they are, to a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    counts = sorted(counts, key=lambda macs: macs.seconds)
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, style, value in (("dense", "o-", lambda macs: macs.dense), ("sparse", "s-", lambda macs: macs.sparse),
                               ("attention", "^:", lambda macs: macs.attention),
                               ("front end", "v:", lambda macs: macs.frontend)):
        axes.plot([macs.seconds for macs in counts], [value(macs) / 1e9 for macs in counts], style, label=name,
                  markersize=4)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("length of the audio (s)")
    axes.set_ylabel("MACs without the decoder (10⁹)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)
