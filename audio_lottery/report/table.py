"""The table of a search: a line a round, and the chosen tickets below."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from audio_lottery.errors import LotteryError
from audio_lottery.metrics.choose import Choice, choose, inference_tag, score_of

MISSING = "-"
SHOWN = {"wer", "ci"}  # of each score


@dataclass(frozen=True)
class Results:
    """What a search found: its ledger rows, the sets in the order shown (dev first), the choice."""

    rows: Sequence[dict]
    inference: str | None
    dev: str
    tests: Sequence[str]
    choice: Choice

    @property
    def sets(self) -> list[str]:
        """The dev set and the test sets."""
        return [self.dev, *self.tests]

    def score(self, number: int | None, dataset: str) -> dict | None:
        """The score of a round for a set, or None."""
        row = self._by_round.get(number)
        return score_of(row, self.inference, dataset) if row and self.inference else None

    @cached_property
    def _by_round(self) -> dict[int, dict]:
        return {row["round"]: row for row in self.rows}

    def to_json(self) -> dict:
        """The whole as plain values."""
        chosen = {"extreme": self.choice.extreme, "best": self.choice.best}
        return {
            "inference": self.inference,
            "dev": self.dev,
            "tests": list(self.tests),
            **chosen,
            "test_wer": {
                name: {test: (self.score(number, test) or {}).get("wer") for test in self.tests}
                for name, number in {"dense": 0, **chosen}.items()
            },
            "rounds": list(self.rows),
        }


def collect(rows: Sequence[dict], dev: str = "dev", inference: str | None = None) -> Results:
    """Gather what the table shows; every scored set but ``dev`` is a test set."""
    tag = inference_tag(rows, inference)
    scored = [name for row in rows for name in row.get("scores", {}).get(tag, {})]
    tests = [name for name in dict.fromkeys(scored) if name != dev]
    for row, name in ((row, name) for row in rows for name in (dev, *tests)):
        score = score_of(row, tag, name) if tag else None
        lacks = SHOWN - score.keys() if score else ()
        if lacks:
            raise LotteryError(f"round {row['round']}: its score of {name} has no {min(lacks)}: score it again")
    return Results(rows, tag, dev, tests, choose(rows, dev, tag))


def cells(results: Results, sets: Sequence[str], *, costs: bool = True) -> tuple[list[str], list[list[str]]]:
    """Heads and rows of a table of these sets as text; what is missing is "-".

    ``costs`` adds the columns of remaining weights of the model and of multiply-accumulates.
    """
    seconds = next((row["macs"]["seconds"] for row in results.rows if row.get("macs")), None)
    heads = ["round", "scope %"]
    if costs:
        heads += ["model %", f"MACs {seconds:g}s" if seconds else "MACs"]
    for name in sets:
        heads += [f"{name} WER [95% CI]", "p", "="]
    return heads, [_row(results, row, sets, costs) for row in results.rows]


def _row(results: Results, row: dict, sets: Sequence[str], costs: bool) -> list[str]:
    line = [str(row["round"]), percent(row.get("density_scope"))]
    if costs:
        line += [percent(row.get("density_whole")), giga((row.get("macs") or {}).get("sparse"))]
    for name in sets:
        score = results.score(row["round"], name)
        line.append(interval(score))
        against = score and row["round"] > 0 and score.get("p_worse") is not None
        line += [p_value(score["p_worse"]), "yes" if score.get("matches") else "no"] if against else [MISSING] * 2
    return line


def percent(share: float | None) -> str:
    """0.512 as "51.2"; small shares keep two digits."""
    if share is None:
        return MISSING
    return f"{100 * share:.1f}" if share >= 0.1 else f"{100 * share:.2f}"


def p_value(p: float | None) -> str:
    """Three digits; a smaller one is given as a bound."""
    if p is None:
        return MISSING
    return f"{p:.3f}" if p >= 0.001 else "<.001"


def steps(number: float | None) -> str:
    """Training steps, a mean over seeds, too."""
    return MISSING if number is None else f"{number:.0f}"


def measured(value: object) -> str:
    """What a benchmark printed; three digits of what it measured."""
    if value is None:
        return MISSING
    if not isinstance(value, float):
        return str(value)
    return f"{float(f'{value:.3g}'):,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def giga(number: float | None) -> str:
    """A count of multiply-accumulates in G."""
    return MISSING if number is None else f"{number / 1e9:.3f} G"


def interval(score: dict | None) -> str:
    """ "10.2 [8.1, 12.4]" """
    if not score:
        return MISSING
    low, high = score["ci"]
    return f"{score['wer']:.1f} [{low:.1f}, {high:.1f}]"


def tickets(results: Results) -> list[str]:
    """A line each for the dense model, the extreme and the best ticket, with their test WER."""
    lines = []
    named = {"dense model": 0, "extreme ticket": results.choice.extreme, "best ticket": results.choice.best}
    for name, number in named.items():
        row = next((row for row in results.rows if row["round"] == number), None)
        if row is None:
            scores = [results.score(one["round"], results.dev) for one in results.rows]
            tested = any(score and score.get("matches") is not None for score in scores)
            lines.append(f"{name}: none: no round matches the dense model on {results.dev}" if tested
                         else f"{name}: none yet (needs {results.dev} scores)")
            continue
        scope, whole = percent(row.get("density_scope")), percent(row.get("density_whole"))
        wers = [f"{each} {_wer(results.score(number, each))}" for each in results.sets]
        lines.append(f"{name}: round {number}, {scope}% of scope, {whole}% of model; WER % {', '.join(wers)}")
    return lines


def _wer(score: dict | None) -> str:
    return f"{score['wer']:.2f}" if score else MISSING


def legend(results: Results) -> str:
    """What the columns mean, in a line or two."""
    scores = (results.score(row["round"], name) for row in results.rows for name in results.sets)
    alpha = next((score["alpha"] for score in scores if score and "alpha" in score), 0.05)
    return (
        "scope, model: weights that remain. p: of the paired test for \"worse than the dense model\".\n"
        f"= yes: matches the dense model (p >= {alpha:g}). Tickets are chosen on {results.dev} only."
    )


def to_text(results: Results) -> str:
    """The aligned table, two sets side by side, its legend and the tickets."""
    pairs = [results.sets[at : at + 2] for at in range(0, len(results.sets), 2)]
    blocks = [_aligned(*cells(results, pair, costs=n == 0)) for n, pair in enumerate(pairs)]
    return "\n\n".join([*blocks, legend(results), "\n".join(tickets(results))])


def _aligned(heads: list[str], rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in [heads, *rows]
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def to_markdown(results: Results) -> str:
    """The table as Markdown, with legend and tickets."""
    heads, rows = cells(results, results.sets)
    lines = [heads, ["---:"] * len(heads), *rows]
    table = ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join([*table, "", legend(results), "", *(f"- {line}" for line in tickets(results))])
