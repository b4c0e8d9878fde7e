"""Score a decoded set: by sclite where it is found and reads the texts literally, else in Python."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import atomic_path, write_text
from audio_lottery.metrics.result import result_text, summaries
from audio_lottery.metrics.sclite import find_sclite, parse_result, run_sclite
from audio_lottery.metrics.trn import special_to_sclite, trn_id, write_trn
from audio_lottery.metrics.wer import Counts, characters, count_texts, total, words

MOST = 300_000  # words that sclite gets at once: it takes up to 3 kB of memory for each


@dataclass(frozen=True)
class SetScore:
    """The score of one set: counts per utterance, by whom, and a note where it was not sclite."""

    counts: dict[str, Counts]
    scorer: str
    note: str = ""

    @property
    def total(self) -> Counts:
        """The sum over utterances."""
        return total(self.counts)


def check_coverage(
    references: Mapping[str, str], hypotheses: Mapping[str, str], ref_path: str | Path, hyp_path: str | Path
) -> None:
    """Raise LotteryError unless the hypotheses are of exactly the references' utterances."""
    missing = [utt for utt in references if utt not in hypotheses]
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise LotteryError(f"{hyp_path}: no hypothesis for {missing[0]}{more} of {ref_path}: decode again")
    for utt in hypotheses:
        if utt not in references:
            raise LotteryError(f"{hyp_path}: {utt} is not in {ref_path}: decode that set, or name its data")


def score_words(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    speakers: Mapping[str, str],
    folder: str | Path,
) -> SetScore:
    """Score {utterance: text} by words; writes ref.trn, hyp.trn and result.txt to ``folder``."""
    folder = Path(folder)
    hypotheses = {utt: hypotheses[utt] for utt in references}
    write_trn(folder / "ref.trn", references, speakers)
    write_trn(folder / "hyp.trn", hypotheses, speakers)
    program = find_sclite()
    special = special_to_sclite(references, speakers) or special_to_sclite(hypotheses, speakers)
    if program and not special:
        return _by_sclite(program, references, hypotheses, speakers, folder)
    reason = f"sclite would not take {special} literally" if special else "sclite was not found"
    note = f"Scored in Python by sclite's alignment, since {reason}."
    write_text(folder / "result.txt", result_text(references, hypotheses, speakers, note))
    return SetScore(count_texts(references, hypotheses), "python", note)


def score_characters(
    references: Mapping[str, str],
    hypotheses: Mapping[str, str],
    speakers: Mapping[str, str],
    folder: str | Path,
) -> SetScore:
    """Score {utterance: text} by characters, a blank counting as one, as ESPnet's score_cer does."""
    split = [{utt: characters(text) for utt, text in texts.items()} for texts in (references, hypotheses)]
    return score_words(split[0], split[1], speakers, folder)


def _by_sclite(
    program: str, references: Mapping[str, str], hypotheses: Mapping[str, str], speakers: Mapping[str, str],
    folder: Path,
) -> SetScore:
    parts = list(_parts(references))
    with atomic_path(folder / "result.txt") as temporary:
        if len(parts) > 1:
            counts = _by_parts(program, parts, hypotheses, speakers, folder, temporary)
        else:
            output = run_sclite(program, folder / "ref.trn", folder / "hyp.trn")
            temporary.write_bytes(output)
            counts = _counts(output, references, speakers, program, folder)
    return SetScore(counts, "sclite")


def _parts(references: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """In order, parts of about MOST words each."""
    part, count = {}, 0
    for utt, text in references.items():
        part[utt] = text
        count += len(words(text))
        if count >= MOST:
            yield part
            part, count = {}, 0
    if part:
        yield part


def _by_parts(
    program: str, parts: Sequence[Mapping[str, str]], hypotheses: Mapping[str, str], speakers: Mapping[str, str],
    folder: Path, result: Path,
) -> dict[str, Counts]:
    """Write sclite's alignments of all parts, below the summaries of their counts, to ``result``."""
    counts: dict[str, Counts] = {}
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as alignments:
        reference, hypothesis = Path(name, "ref.trn"), Path(name, "hyp.trn")
        for part in parts:
            write_trn(reference, part, speakers)
            write_trn(hypothesis, {utt: hypotheses[utt] for utt in part}, speakers)
            output = run_sclite(program, reference, hypothesis, "pra")
            counts |= _counts(output, part, speakers, program, folder)
            alignments.write(output)
        note = f"Aligned by sclite in {len(parts)} parts, since it holds all of a set in memory; summed up here."
        alignments.seek(0)
        with result.open("wb") as file:
            file.write(f"{summaries(counts, speakers, note)}\n".encode())
            shutil.copyfileobj(alignments, file)
    return counts


def _counts(output: bytes, references: Mapping[str, str], speakers: Mapping[str, str], program: str, folder: Path
            ) -> dict[str, Counts]:  # fmt: skip
    """Of each utterance, as sclite printed them."""
    by_id = parse_result(output)
    ids = {utt: trn_id(utt, speakers[utt]).lower() for utt in references}
    lost = [utt for utt, name in ids.items() if name not in by_id]
    if lost:
        raise LotteryError(f"{folder / 'hyp.trn'}: {program} gave no score for {lost[0]}: check its version")
    return {utt: by_id[name] for utt, name in ids.items()}
