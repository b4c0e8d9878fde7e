"""WER by training condition, density and SNR: the table of a noise experiment, its CSV and its picture."""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import write_text
from audio_lottery.metrics.choose import inference_tag, score_of
from audio_lottery.report.plot import save
from audio_lottery.report.table import MISSING, percent


@dataclass(frozen=True)
class Line:
    """One model: what it was trained on, what remains of it, and its scores by SNR in dB (None: clean)."""

    training: str
    round: int
    density: float
    scores: Mapping[float | None, dict]

    def to_json(self) -> dict:
        """As plain values."""
        wer = {name_of(snr): score["wer"] for snr, score in self.scores.items()}
        return {"training": self.training, "round": self.round, "density_scope": self.density, "wer": wer}


def collect(searches: Mapping[str, Sequence[dict]], inference: str | None = None) -> dict[str, list[Line]]:
    """Test set -> lines, of ledgers by the name of their training condition.

    A test set is one that is scored beside copies at an SNR: ``test`` with ``test_snr10``.

    Raises:
        LotteryError: no scores of noisy test sets.
    """
    found: dict[str, list[Line]] = {}
    for training, rows in searches.items():
        tag = inference_tag(rows, inference)
        sets = {name for row in rows for name in row.get("scores", {}).get(tag, {})}
        for clean, noisy in sorted(noisy_copies(sets).items()):
            for row in rows:
                scores = {snr: score_of(row, tag, name) for snr, name in [(None, clean), *noisy.items()]}
                scores = {snr: score for snr, score in scores.items() if score}
                if scores:
                    found.setdefault(clean, []).append(Line(training, row["round"], row["density_scope"], scores))
    if not found:
        raise LotteryError(f"{', '.join(searches)}: no scores of noisy test sets (test_snr10): run stages 2, 7 and 8 "
                           "with --noise_root and --test_snrs")
    return found


def noisy_copies(sets: set[str]) -> dict[str, dict[float, str]]:
    """Clean set -> SNR -> noisy set."""
    copies: dict[str, dict[float, str]] = {}
    for name in sets:
        match = re.fullmatch(r"(.+)_snr(-?\d+(?:\.\d+)?)", name)
        if match:
            copies.setdefault(match[1], {})[float(match[2])] = name
    return copies


def snrs(lines: Sequence[Line]) -> list[float | None]:
    """The conditions of the table's columns: clean, then falling SNRs."""
    every = {snr for line in lines for snr in line.scores}
    return [*([None] if None in every else []), *sorted(every - {None}, reverse=True)]


def name_of(snr: float | None) -> str:
    """A test condition as in files: "clean", "10"."""
    return "clean" if snr is None else f"{snr:g}"


def to_markdown(tables: Mapping[str, Sequence[Line]]) -> str:
    """A table of WER in % for each test set."""
    parts = []
    for name, lines in tables.items():
        columns = snrs(lines)
        heads = [name_of(snr) if snr is None else f"{name_of(snr)} dB" for snr in columns]
        rows = [["trained on", "round", "scope %", *heads]]
        rows.append(["---", *["---:"] * (len(columns) + 2)])
        rows += [[line.training, str(line.round), percent(line.density),
                  *(f"{line.scores[snr]['wer']:.1f}" if snr in line.scores else MISSING for snr in columns)]
                 for line in lines]
        parts.append(f"## {name}: WER (%) by SNR\n\n" + "\n".join("| " + " | ".join(row) + " |" for row in rows))
    return "\n\n".join(parts)


def to_csv(tables: Mapping[str, Sequence[Line]]) -> str:
    """A line for each test set, model and SNR, with the 95% interval."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["set", "training", "round", "density_scope", "snr", "wer", "ci_low", "ci_high"])
    for name, lines in tables.items():
        for line in lines:
            for snr in snrs(lines):
                if score := line.scores.get(snr):
                    writer.writerow([name, line.training, line.round, line.density, name_of(snr), score["wer"],
                                     *score["ci"]])
    return stream.getvalue()


def write_report(tables: Mapping[str, Sequence[Line]], folder: str | Path, commands: Sequence[str] = ()) -> list[Path]:
    """Write noise.md, noise.csv and a picture for each test set to ``folder``; the paths written."""
    folder = Path(folder)
    pictures = {name: folder / f"noise_{name}.png" for name in tables}
    for name, lines in tables.items():
        plot(lines, pictures[name])
    sections = [to_markdown(tables), *(f"![WER by SNR, {name}]({path.name})" for name, path in pictures.items())]
    if commands:
        sections.append("\n".join(["```sh", *commands, "```"]))
    page, data = folder / "noise.md", folder / "noise.csv"
    write_text(page, "\n\n".join(sections) + "\n")
    write_text(data, to_csv(tables))
    return [page, data, *pictures.values()]


def plot(lines: Sequence[Line], *paths: Path) -> None:
    """Draw WER over SNR to PNG and SVG files, a panel for each training condition, a line for each density."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    trainings = list(dict.fromkeys(line.training for line in lines))
    columns = snrs(lines)
    figure = Figure(figsize=(1 + 4 * len(trainings), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, len(trainings), sharey=True, squeeze=False)[0]
    for axes, training in zip(panels, trainings, strict=True):
        shown = [line for line in lines if line.training == training]
        for n, line in enumerate(shown):
            points = [(at, line.scores[snr]["wer"]) for at, snr in enumerate(columns) if snr in line.scores]
            colour = colormaps["plasma"](0.2 + 0.6 * n / max(1, len(shown) - 1))
            axes.plot(*zip(*points, strict=True), "o-", color=colour, markersize=4, label=f"{percent(line.density)}%")
        axes.set_xticks(range(len(columns)), [name_of(snr) for snr in columns])
        axes.set(title=f"trained on {training}", xlabel="SNR of the test set (dB)")
        axes.grid(alpha=0.3)
        many = len(shown) > 8
        axes.legend(title="weights in scope", title_fontsize=8, fontsize=6 if many else 8, ncols=3 if many else 1)
    panels[0].set_ylabel("WER (%)")
    panels[0].set_ylim(bottom=0)  # of all panels, once all is drawn: before, it would cut off what later ones hold
    save(figure, *paths)
