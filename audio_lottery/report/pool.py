"""One ledger out of several: folds of a cross-validation, or seeds, scored as one large set."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.ledger import Ledger
from audio_lottery.metrics import errors as per_utterance
from audio_lottery.metrics.choose import inference_tag, score_of
from audio_lottery.metrics.significance import TESTS, bootstrap_interval, matches

MEANS = ("density_scope", "density_whole", "train_seconds", "steps", "search_steps", "dense_equivalent_steps",
         "search_dense_equivalent_steps")
SAME = ("alpha", "margin", "test")
SUMS = ("errors", "words", "sub", "del", "ins")


def pool(exps: Sequence[str | Path], inference: str | None = None) -> list[dict]:
    """Rows like a ledger's, of the rounds and sets that every search has.

    WER: errors summed over all searches / words summed. Interval: bootstrap over all their utterances; one that
    several seeds recognised is one utterance, its errors summed, since seeds don't make it more than one.
    The paired test and ``matches`` are of all utterances against the dense models of the same searches,
    with the test and the level that the searches were scored with. Densities, MACs and seconds are means.
    Errors per utterance are read from errors.jsonl. Raises :class:`LotteryError` for searches
    that were not scored, or not alike.
    """
    folders = [Path(exp) for exp in exps]
    if len(set(map(Path.resolve, folders))) < len(folders):
        raise LotteryError(f"{' '.join(map(str, exps))}: a search is given twice: name each once")
    ledgers = [Ledger(folder / "rounds.jsonl").rows for folder in folders]
    for folder, rows in zip(folders, ledgers, strict=True):
        if not rows:
            raise LotteryError(f"{folder / 'rounds.jsonl'}: no round recorded: run the search first")
    tags = {inference_tag(rows, inference) for rows in ledgers}
    if len(tags) > 1:
        raise LotteryError(f"{folders[0]}: the searches are scored with several inferences "
                           f"({', '.join(sorted(map(str, tags)))}): choose one with --inference_tag")
    tag = tags.pop()
    by_round = [{row["round"]: row for row in rows} for rows in ledgers]
    shared = sorted(set.intersection(*(set(rows) for rows in by_round)))
    pooled = [_row([rows[number] for rows in by_round]) for number in shared]
    sets = list(dict.fromkeys(name for row in ledgers[0] for name in row.get("scores", {}).get(tag, {})))
    for name in sets:
        _score(pooled, folders, by_round, tag, name)
    return pooled


def _row(rows: Sequence[dict]) -> dict:
    """A pooled row without scores: means of numbers, and what all rows agree on."""
    row = {key: value for key, value in rows[0].items()
           if key != "scores" and all(other.get(key) == value for other in rows)}
    for key in MEANS:
        values = [other[key] for other in rows if other.get(key) is not None]
        if len(values) == len(rows):
            row[key] = sum(values) / len(values)
    macs = [other.get("macs") for other in rows]
    if all(macs) and len({one["seconds"] for one in macs}) == 1:
        row["macs"] = {"seconds": macs[0]["seconds"],
                       **{key: sum(one[key] for one in macs) / len(macs) for key in ("dense", "sparse")}}
    seeds = dict.fromkeys(other["seed"] for other in rows if other.get("seed") is not None)
    return row | {"searches": len(rows), "seeds": list(seeds)}


def _score(pooled: list[dict], folders: Sequence[Path], by_round: Sequence[dict[int, dict]], tag: str, name: str
           ) -> None:
    """Set the score of a set in each pooled row where all searches have one."""
    dense = None
    for row in pooled:
        number = row["round"]
        scores = [score_of(rows[number], tag, name) for rows in by_round]
        if not all(scores):
            continue
        found: dict[str, tuple[int, int]] = {}
        for folder, score in zip(folders, scores, strict=True):
            for utterance, errors, words in _errors(folder, number, tag, name, score):
                before = found.get(utterance, (0, 0))
                found[utterance] = before[0] + errors, before[1] + words
        dense = found if number == 0 else dense
        row.setdefault("scores", {}).setdefault(tag, {})[name] = _summary(found, dense, scores)


def _errors(folder: Path, number: int, tag: str, name: str, score: dict) -> Iterator[tuple[str, int, int]]:
    """Utterance, errors and words, of all utterances."""
    found = per_utterance.read(folder, number, tag, name, score)
    return zip(found.utterances, found.errors, found.words, strict=True)


def _summary(found: dict, dense: dict | None, scores: Sequence[dict]) -> dict:
    errors, words = zip(*found.values(), strict=True)
    summary = {"wer": _wer(found), **{key: sum(score[key] for score in scores) for key in SUMS},
               "utterances": len(found), "ci": list(bootstrap_interval(errors, words)),
               "scorer": ", ".join(dict.fromkeys(score["scorer"] for score in scores)),
               "p_worse": None, "matches": None}
    if dense is None or found.keys() != dense.keys():
        return summary
    for key in SAME:
        if len({score.get(key) for score in scores}) > 1:
            raise LotteryError(f"--{key}: the searches were scored with different values: score them alike")
    test, alpha, margin = (scores[0].get(key) for key in ("test", "alpha", "margin"))
    test, alpha = test or "permutation", 0.05 if alpha is None else alpha
    p_worse = TESTS[test](errors, [one[0] for one in dense.values()])
    matching = found is dense or matches(p_worse, summary["wer"], _wer(dense), alpha=alpha, margin=margin)
    return summary | {"p_worse": p_worse, "matches": matching, "test": test, "alpha": alpha}


def _wer(found: dict) -> float:
    errors, words = (sum(one[n] for one in found.values()) for n in (0, 1))
    return 100 * errors / words if words else 100.0 * bool(errors)
