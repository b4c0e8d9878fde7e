"""What the parts of RESULTS.md have in common: Markdown tables, WER with its interval, titles of experiments."""

from collections.abc import Iterable, Sequence

from audio_lottery.report.compare import Point
from audio_lottery.report.evidence import CLEAN
from audio_lottery.report.findings import Findings, findings
from audio_lottery.report.table import MISSING


def wer(one: Findings, point: Point, dataset: str) -> str:
    """Mean, interval and spread over seeds."""
    score, interval = point.scores.get(dataset), one.interval(point, dataset)
    if score is None:
        return MISSING
    text = f"{score.mean:.1f}" + (f" [{interval[0]:.1f}, {interval[1]:.1f}]" if interval else "")
    return text + (f" ± {score.spread:.1f}" if score.spread is not None else "")


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text."""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def text_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The same with columns of text."""
    return table(heads, rows).replace("---:", "---", len(heads) - 1)


def title(one: Findings) -> str:
    """Of an experiment; with the training's noise, and with the inference where there are several."""
    several = len(findings(one.experiment, one.training)) > 1
    noise = "" if one.training == CLEAN else f", {one.training}"
    return f"{one.experiment.name}{noise} ({one.experiment.where}{', ' + one.inference if several else ''})"
