"""Score every decoded round of a search and compare it with round 0 on the same utterances."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.metrics.scoring import SetScore, check_coverage, score_characters, score_words
from audio_lottery.metrics.significance import TESTS, bootstrap_interval, matches
from audio_lottery.metrics.trn import read_kaldi


@dataclass(frozen=True)
class Comparison:
    """How a ticket is compared with the dense model: see :mod:`audio_lottery.metrics.significance`."""

    test: str = "permutation"
    alpha: float = 0.05
    margin: float | None = None


def score_rounds(
    exp: Path, tag: str, dataset: str, data: Path, comparison: Comparison
) -> Iterator[tuple[int, dict]]:
    """Yield (round, score for the ledger) of every round that has hypotheses of a set.

    ``data`` holds the set's ``text`` and ``utt2spk``. Scoring again gives the same. Without round 0
    ``p_worse`` and ``matches`` are None.
    """
    hypotheses = {}
    for folder in exp.glob("round_[0-9]*"):
        text = folder / f"decode_{tag}" / dataset / "text"
        if re.fullmatch(r"round_\d+", folder.name) and text.is_file():
            hypotheses[int(folder.name.removeprefix("round_"))] = text
    if not hypotheses:
        return
    references, speakers = read_references(data)
    dense: SetScore | None = None
    for number in sorted(hypotheses):
        path = hypotheses[number]
        texts = read_kaldi(path, empty=True)
        check_coverage(references, texts, data / "text", path)
        score = score_words(references, texts, speakers, path.parent / "score_wer")
        letters = score_characters(references, texts, speakers, path.parent / "score_cer")
        dense = score if number == 0 else dense
        yield number, {**_summary(score), "cer": letters.total.rate, **_against(score, dense, comparison)}


def read_references(data: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The texts and speakers of a data folder; an utterance without speaker is a LotteryError."""
    references, speakers = read_kaldi(data / "text"), read_kaldi(data / "utt2spk")
    for utt in references:
        if utt not in speakers:
            raise LotteryError(f"{data / 'utt2spk'}: no speaker for {utt} of {data / 'text'}: add its line")
    return references, speakers


def _summary(score: SetScore) -> dict:
    counts = score.total
    per_utterance = score.counts.values()
    interval = bootstrap_interval([c.errors for c in per_utterance], [c.words for c in per_utterance])
    summary = {
        "wer": counts.rate,
        "errors": counts.errors,
        "words": counts.words,
        "sub": counts.substituted,
        "del": counts.deleted,
        "ins": counts.inserted,
        "utterances": len(per_utterance),
        "ci": list(interval),
        "scorer": score.scorer,
    }
    return summary | ({"note": score.note} if score.note else {})


def _against(score: SetScore, dense: SetScore | None, comparison: Comparison) -> dict:
    if dense is None:
        return {"p_worse": None, "matches": None}
    errors, dense_errors = ([c.errors for c in each.counts.values()] for each in (score, dense))
    p_worse = TESTS[comparison.test](errors, dense_errors)
    matching = score is dense or matches(
        p_worse, score.total.rate, dense.total.rate, alpha=comparison.alpha, margin=comparison.margin
    )
    margin = {} if comparison.margin is None else {"margin": comparison.margin}
    return {"p_worse": p_worse, "matches": matching, "test": comparison.test, "alpha": comparison.alpha, **margin}
