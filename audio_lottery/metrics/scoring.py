"""Score a decoded set: by sclite where it is found and reads the texts literally, else in Python."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import atomic_path, write_text
from audio_lottery.metrics.result import result_text
from audio_lottery.metrics.sclite import find_sclite, parse_result, run_sclite
from audio_lottery.metrics.trn import special_to_sclite, trn_id, write_trn
from audio_lottery.metrics.wer import Counts, characters, count_texts, total


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
        return _by_sclite(program, references, speakers, folder)
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
    program: str, references: Mapping[str, str], speakers: Mapping[str, str], folder: Path
) -> SetScore:
    output = run_sclite(program, folder / "ref.trn", folder / "hyp.trn")
    by_id = parse_result(output)
    ids = {utt: trn_id(utt, speakers[utt]).lower() for utt in references}
    lost = [utt for utt, name in ids.items() if name not in by_id]
    if lost:
        raise LotteryError(f"{folder / 'hyp.trn'}: {program} gave no score for {lost[0]}: check its version")
    with atomic_path(folder / "result.txt") as temporary:
        temporary.write_bytes(output)
    return SetScore({utt: by_id[name] for utt, name in ids.items()}, "sclite")
