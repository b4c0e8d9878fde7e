"""Transcript files: Kaldi's ``text`` and ``utt2spk``, and sclite's ``trn``."""

from collections.abc import Mapping
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_text, write_text

LONGEST_WORD = 99  # bytes; sclite's buffer for a word


def read_kaldi(path: str | Path, *, empty: bool = False) -> dict[str, str]:
    """Read ``<utterance> <value>`` lines (text, utt2spk) into {utterance: value}.

    With ``empty`` a line may hold an utterance alone, as a hypothesis may. Raises LotteryError naming
    the line for a duplicate utterance and for a missing value.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        utt, *rest = line.strip(" \t\r").replace("\t", " ").split(" ", 1)
        if not utt:
            continue
        if utt in values:
            raise LotteryError(f"{path}:{number}: utterance {utt} occurs twice: remove one of its lines")
        if not rest and not empty:
            raise LotteryError(f"{path}:{number}: utterance {utt} has no value: add it, or remove the line")
        values[utt] = rest[0].strip(" \t") if rest else ""
    if not values:
        raise LotteryError(f"{path}: no utterance in it: run the stage that writes it again")
    return values


def trn_id(utt: str, speaker: str) -> str:
    """``speaker-utterance``, the id that ESPnet gives an utterance in a trn file."""
    return f"{speaker}-{utt}"


def write_trn(path: str | Path, texts: Mapping[str, str], speakers: Mapping[str, str]) -> None:
    """Write ``words<TAB>(speaker-utterance)`` lines as ESPnet does."""
    lines = (f"{text}\t({trn_id(utt, speakers[utt])})\n" for utt, text in texts.items())
    write_text(path, "".join(lines))


def read_trn(path: str | Path) -> dict[str, str]:
    """Read a trn file into {id: text}; the id is without its brackets."""
    texts: dict[str, str] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        line = line.strip(" \t\r")
        if not line:
            continue
        text, bracket, name = line.rpartition("(")
        if not bracket or not name.endswith(")"):
            raise LotteryError(f"{path}:{number}: no (speaker-utterance) at the end of the line: add it")
        if name[:-1] in texts:
            raise LotteryError(f"{path}:{number}: id {name[:-1]} occurs twice: remove one of its lines")
        texts[name[:-1]] = text.strip(" \t")
    return texts


def special_to_sclite(texts: Mapping[str, str], speakers: Mapping[str, str]) -> str | None:
    """Why sclite would not take these texts literally, or None where it does.

    sclite reads ``{ a / b }`` as alternatives, ``@`` as nothing, what follows a ``;`` in a word as its
    tag, ``\\`` as an escape, cuts a ``*`` from a word's end, and skips lines that start with ``**`` or
    ``;;``. It folds the case of ids, and takes the last bracket of a line for the start of the id.
    """
    ids = [trn_id(utt, speakers[utt]) for utt in texts]
    if len({name.lower() for name in ids}) != len(ids):
        return "utterance ids that differ in case only"
    for name in ids:
        if not name.isascii() or "(" in name or ")" in name:
            return f"the utterance id {name}"
    for utt, text in texts.items():
        words = text.split()
        if words and words[0].startswith("*"):
            return f"a text that starts with * ({utt})"
        for word in words:
            if word == "@" or set(word) & set("{;\\") or (len(word) > 1 and word.endswith("*")):
                return f"the word {word} ({utt})"
            if len(word.encode()) > LONGEST_WORD:
                return f"a word of more than {LONGEST_WORD} bytes ({utt})"
    return None
