"""One ledger out of several: folds of a cross-validation, or seeds, scored as one large set."""

from collections.abc import Sequence
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.ledger import Ledger
from audio_lottery.metrics.choose import inference_tag, score_of
from audio_lottery.metrics.significance import TESTS, bootstrap_interval, matches
from audio_lottery.metrics.trn import read_trn
from audio_lottery.metrics.wer import Counts, count_texts, total

MEANS = ("density_scope", "density_whole", "train_seconds")
SAME = ("alpha", "margin", "test")


def pool(exps: Sequence[str | Path], inference: str | None = None) -> list[dict]:
    """Rows like a ledger's, of the rounds and sets that every search has.

    WER: errors summed over all searches / words summed. Interval: bootstrap over all their utterances.
    The paired test and ``matches`` are of all utterances against the dense models of the same searches,
    with the test and the level that the searches were scored with. Densities, MACs and seconds are means.
    Counts per utterance are read from score_wer/{ref,hyp}.trn. Raises :class:`LotteryError` for searches
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
    return row | {"searches": len(rows)}


def _score(pooled: list[dict], folders: Sequence[Path], by_round: Sequence[dict[int, dict]], tag: str, name: str
           ) -> None:
    """Set the score of a set in each pooled row where all searches have one."""
    dense = None
    for row in pooled:
        number = row["round"]
        scores = [score_of(rows[number], tag, name) for rows in by_round]
        if not all(scores):
            continue
        counts = {(folder, utterance): found for folder, score in zip(folders, scores, strict=True)
                  for utterance, found in _counts(folder, number, tag, name, score).items()}
        dense = counts if number == 0 else dense
        row.setdefault("scores", {}).setdefault(tag, {})[name] = _summary(counts, dense, scores)


def _counts(folder: Path, number: int, tag: str, name: str, score: dict) -> dict[str, Counts]:
    """Counts per utterance from the trn files; they must be those that the ledger's score was made of."""
    where = folder / f"round_{number:02d}" / f"decode_{tag}" / name / "score_wer"
    references, hypotheses = read_trn(where / "ref.trn"), read_trn(where / "hyp.trn")
    if references.keys() != hypotheses.keys():
        raise LotteryError(f"{where / 'hyp.trn'}: other utterances than in ref.trn: score {folder} again")
    counts = count_texts(references, hypotheses)
    found = total(counts)
    if (found.errors, found.words) != (score["errors"], score["words"]):
        raise LotteryError(f"{where / 'hyp.trn'}: {found.errors} errors in {found.words} words, rounds.jsonl says "
                           f"{score['errors']} in {score['words']}: score {folder} again")
    return counts


def _summary(counts: dict, dense: dict | None, scores: Sequence[dict]) -> dict:
    summed = total(counts)
    errors, words = ([getattr(one, key) for one in counts.values()] for key in ("errors", "words"))
    summary = {"wer": summed.rate, "errors": summed.errors, "words": summed.words, "sub": summed.substituted,
               "del": summed.deleted, "ins": summed.inserted, "utterances": len(counts),
               "ci": list(bootstrap_interval(errors, words)),
               "scorer": ", ".join(dict.fromkeys(score["scorer"] for score in scores)),
               "p_worse": None, "matches": None}
    if dense is None or counts.keys() != dense.keys():
        return summary
    for key in SAME:
        if len({score.get(key) for score in scores}) > 1:
            raise LotteryError(f"--{key}: the searches were scored with different values: score them alike")
    test, alpha, margin = (scores[0].get(key) for key in ("test", "alpha", "margin"))
    test, alpha = test or "permutation", 0.05 if alpha is None else alpha
    p_worse = TESTS[test](errors, [one.errors for one in dense.values()])
    matching = counts is dense or matches(p_worse, summed.rate, total(dense).rate, alpha=alpha, margin=margin)
    return summary | {"p_worse": p_worse, "matches": matching, "test": test, "alpha": alpha}
