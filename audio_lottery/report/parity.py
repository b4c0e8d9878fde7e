"""The part of RESULTS.md that compares the engine with ESPnet, from what benchmarks/parity.py printed."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from audio_lottery.fileio import read_jsonl

FILE = Path("benchmarks", "results", "parity.jsonl")
ABOUT = """\
One ticket of each search, the test set recognised by ESPnet's networks and by the engine with the same search (CTC: the
best path; *tsd*: of transducers, ESPnet's). *other texts*: utterances in which they differ; *encoder*: the largest
absolute difference of an encoder output from ESPnet's, of int8 with 8-bit computation; *smaller*: than the dense fp32
weights."""
COMMAND = """\
What ESPnet's inference command made of the set when the search was scored, beside the engine in fp32. For transducers
it is the same search. For CTC it goes token by token, not frame by frame, and with the attention decoder where the
model has one, which the engine leaves out. *of the search*: other texts in which ESPnet's own networks, searched as the
engine searches, say what the engine says; the rest would be the engine's."""


def section(root: Path, table: Callable[[Sequence[str], list[list[str]]], str]) -> list[str]:
    """Paragraphs; ``table`` makes one of heads and rows."""
    rows = [row for one in (read_jsonl(root / FILE) if (root / FILE).exists() else ()) for row in one["rows"]]
    rows = [row | {"model": _name(row, rows)} for row in rows]
    if not rows:
        return ["## The engine and ESPnet", f"No comparison is kept ({FILE})."]
    heads = ["model", "round", "search", "set", "values", "bytes", "smaller", "ESPnet's WER", "engine's WER",
             "other texts", "encoder"]
    commands = [[row["model"], f"decode_{tag}", f"{one['wer']:.1f}", f"{row['values']['fp32']['wer']:.1f}",
                 f"{len(one['different'])} of {row['utterances']}", str(one["of_search"])]
                for row in rows for tag, one in row["inference"].items()]
    return ["## The engine and ESPnet", ABOUT,
            table(heads, [line for row in rows for line in _lines(row)]), _list(_by_values(rows)), COMMAND,
            table(["model", "inference", "its WER", "engine's WER", "other texts", "of the search"], commands),
            _list(_by_command(rows))]  # fmt: skip


def _name(row: dict, rows: list[dict]) -> str:
    """The model, with its size where that tells it from another."""
    alone = [other["model"] for other in rows].count(row["model"]) == 1
    return row["model"] if alone else f"{row['model']}, {row['dense_bytes'] / 1e6:.1f} MB dense"


def _lines(row: dict) -> Iterator[list[str]]:
    dense = [row["model"], str(row["round"]), row["search"], f"{row['set']}, {row['utterances']}"]
    yield [*dense, "dense fp32", f"{row['dense_bytes']:,}", "1.0", *["-"] * 4]
    for name, one in row["values"].items():
        yield [*dense, name, f"{one['file_bytes']:,}", f"{one['times_smaller']:.1f}", f"{row['espnet']['wer']:.1f}",
               f"{one['wer']:.1f}", str(len(one["different"])), f"{one['encoder']:.1e}"]


def _by_values(rows: list[dict]) -> Iterator[tuple[str, dict]]:
    for row in rows:
        for name, one in row["values"].items():
            yield from ((f"{row['model']}, {name}", other) for other in one["different"])


def _by_command(rows: list[dict]) -> Iterator[tuple[str, dict]]:
    for row in rows:
        for tag, one in row["inference"].items():
            yield from ((f"{row['model']}, decode_{tag}", other) for other in one["different"])


def _list(several: Iterator[tuple[str, dict]]) -> str:
    """Every text that differs."""
    lines = [f"- {where}, {one['utterance']}: ESPnet “{one['espnet']}”, engine “{one['engine']}”, "
             f"said “{one['reference']}”" for where, one in several]  # fmt: skip
    return "\n".join(lines) or "No text differs."
