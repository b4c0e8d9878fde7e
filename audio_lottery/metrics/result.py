"""A result.txt of sclite's layout, for scoring without sclite."""

from collections.abc import Mapping

from audio_lottery.metrics.trn import trn_id
from audio_lottery.metrics.wer import Counts, align, count_texts, total, words

_HEADS = ("Corr", "Sub", "Del", "Ins", "Err", "S.Err")


def result_text(
    references: Mapping[str, str], hypotheses: Mapping[str, str], speakers: Mapping[str, str], note: str
) -> str:
    """Both summaries by speaker (percentages, counts) and the alignment of every utterance.

    ``note`` says which scorer made it and why.
    """
    counts = count_texts(references, hypotheses)
    lines = [summaries(counts, speakers, note)]
    for utt, reference in references.items():
        lines += [f"id: ({trn_id(utt, speakers[utt]).lower()})", _scores(counts[utt])]
        lines += [*_alignment(reference, hypotheses[utt]), ""]
    return "\n".join(lines)


def summaries(counts: Mapping[str, Counts], speakers: Mapping[str, str], note: str) -> str:
    """Both of sclite's summaries by speaker, percentages and counts, below a note."""
    groups: dict[str, list[Counts]] = {}
    for utt, one in counts.items():
        # sclite's speaker is what precedes the first hyphen of the id
        speaker = trn_id(utt, speakers[utt]).partition("-")[0].lower()
        groups.setdefault(speaker, []).append(one)
    return "\n".join([note, "", *_summary(groups, percent=True), "", *_summary(groups, percent=False), ""])


def _scores(counts: Counts) -> str:
    numbers = (counts.correct, counts.substituted, counts.deleted, counts.inserted)
    return "Scores: (#C #S #D #I) " + " ".join(map(str, numbers))


def _summary(groups: Mapping[str, list[Counts]], percent: bool) -> list[str]:
    """One of sclite's two tables: a row a speaker and a row for all."""
    everybody = [counts for group in groups.values() for counts in group]
    rows = [(speaker, group) for speaker, group in groups.items()]
    rows.append(("Sum/Avg" if percent else "Sum", everybody))
    width = max(len("Sum/Avg"), *(len(speaker) for speaker in groups))
    head = f"| {'SPKR'.ljust(width)} | # Snt   # Wrd |" + "".join(f"{name:>7}" for name in _HEADS) + " |"
    rule = "|" + "-" * (len(head) - 2) + "|"
    title = "SYSTEM SUMMARY PERCENTAGES by SPEAKER" if percent else "SYSTEM SUMMARY COUNTS by SPEAKER"
    lines = [title, rule, head]
    for name, group in rows:
        lines += [rule, _row(name.ljust(width), group, percent)]
    return [*lines, rule]


def _row(name: str, group: list[Counts], percent: bool) -> str:
    summed = total(dict(enumerate(group)))
    wrong = sum(counts.errors > 0 for counts in group)
    values = [summed.correct, summed.substituted, summed.deleted, summed.inserted, summed.errors, wrong]
    if percent:
        bases = [summed.words] * 5 + [len(group)]
        shares = (100 * value / base if base else 0 for value, base in zip(values, bases, strict=True))
        cells = [f"{share:7.1f}" for share in shares]
    else:
        cells = [f"{value:7d}" for value in values]
    return f"| {name} | {len(group):5d} {summed.words:7d} |{''.join(cells)} |"


def _alignment(reference: str, hypothesis: str) -> list[str]:
    """REF, HYP and Eval lines; words in error are in capitals, as in sclite's."""
    refs, hyps, evals = ["REF: "], ["HYP: "], ["Eval:"]
    for step, ref, hyp in align(words(reference), words(hypothesis)):
        ref, hyp = ref or "*" * len(hyp or ""), hyp or "*" * len(ref or "")
        if step != "C":
            ref, hyp = ref.upper(), hyp.upper()
        width = max(len(ref), len(hyp))
        refs.append(ref.ljust(width))
        hyps.append(hyp.ljust(width))
        evals.append(("" if step == "C" else step).ljust(width))
    return [" ".join(refs).rstrip(), " ".join(hyps).rstrip(), " ".join(evals).rstrip()]
