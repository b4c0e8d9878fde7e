"""RESULTS.md: the table, the picture, and what is needed to make them again."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from audio_lottery.fileio import write_text
from audio_lottery.report.cost import costs
from audio_lottery.report.plot import plot_wer
from audio_lottery.report.table import Results, to_markdown


def write_report(results: Results, folder: str | Path, name: str, commands: Sequence[str] = ()) -> list[Path]:
    """Write RESULTS.md and, if anything is scored, wer.png to ``folder``; the paths written."""
    folder = Path(folder)
    picture, page = folder / "wer.png", folder / "RESULTS.md"
    drawn = plot_wer(results, picture)
    sections = [f"# {name}", to_markdown(results)]
    if drawn:
        sections.append(f"![WER against remaining weights]({picture.name})")
    sections.append("\n".join(["## How it was made", "", *(f"- {fact}" for fact in facts(results))]))
    if commands:
        sections.append("\n".join(["```sh", *commands, "```"]))
    write_text(page, "\n\n".join(sections) + "\n")
    return [page, picture] if drawn else [page]


def facts(results: Results) -> list[str]:
    """Lines on training, versions, scoring and hardware, from the ledger and this machine."""
    first, rows = results.rows[0], results.rows
    facts = {
        "Rounds": f"{len(rows)}, {_all(rows, 'epochs')} epochs a round, rate {_all(rows, 'rate')}, "
                  f"seed {_seeds(rows)}",
        "Training": f"{sum(row.get('train_seconds') or 0 for row in rows):.0f} s in all",
        "Cost": "; ".join(_costs(results)),
        "Decoding": results.inference or "none yet",
        "Scoring": _scoring(results),
        "Versions": ", ".join(f"{key} {value}" for key, value in (first.get("versions") or {}).items()),
        "Git": _all(rows, "git"),
        "This page's machine": f"{cpu_model()}, {os.cpu_count()} CPUs, "
                    f"{os.environ.get('OMP_NUM_THREADS', 'default')} thread(s) a process",
    }
    return [f"{key}: {value}" for key, value in facts.items() if value]


def _costs(results: Results) -> list[str]:
    """What the chosen tickets cost in training steps, where the ledger tells."""
    found, lines = costs(results.rows), []
    for name, number in (("extreme", results.choice.extreme), ("best", results.choice.best)):
        cost = found.get(number)
        if cost is not None and cost.steps is not None:
            dense = "" if cost.dense is None else f", as {cost.dense:.0f} of the dense model"
            lines.append(f"{name} ticket: {cost.steps:.0f} training steps{dense}, {cost.search:.0f} of them to find it")
    return lines


def _all(rows: Sequence[dict], key: str) -> str:
    """The value that rows share, or all that occur, in order."""
    return ", ".join(dict.fromkeys(str(row[key]) for row in rows if row.get(key) is not None)) or "unknown"


def _seeds(rows: Sequence[dict]) -> str:
    """Of one search or, in pooled rows, of several; a round that was taken over has none of its own."""
    several = dict.fromkeys(str(seed) for row in rows for seed in row.get("seeds", ()))
    return ", ".join(several) or _all(rows, "seed")


def _scoring(results: Results) -> str:
    scores = [results.score(row["round"], name) for row in results.rows for name in results.sets]
    scores = [score for score in scores if score]
    if not scores:
        return "none yet"
    scorers = ", ".join(sorted({score.get("scorer", "?") for score in scores}))
    sizes = {name: score for name in results.sets if (score := _any_score(results, name))}
    sets = ", ".join(f"{name}: {s['utterances']} utterances, {s['words']} words" for name, s in sizes.items())
    return f"{scorers}; {sets}; 95% intervals by bootstrap over utterances; paired {_tests(scores)} test"


def _tests(scores: Sequence[dict]) -> str:
    return ", ".join(dict.fromkeys(score["test"] for score in scores if "test" in score)) or "significance"


def _any_score(results: Results, name: str) -> dict | None:
    return next((score for row in results.rows if (score := results.score(row["round"], name))), None)


def cpu_model() -> str:
    """The processor's name as Linux gives it, else what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
