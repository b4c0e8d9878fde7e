"""The text of a language model: sentences of words, or of the recipe's tokens."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from audio_lottery.data import kaldi
from audio_lottery.errors import LotteryError
from audio_lottery.lm.query import unigrams

SPACE = "<space>"
END = "<sos/eos>"
RESERVED = ("<blank>", "<unk>", END)


def read_sentences(path: str | Path, with_ids: bool = False) -> list[str]:
    """One sentence a line, empty lines left out; ``with_ids``: a Kaldi ``text``, ids cut off."""
    if with_ids:
        return list(kaldi.read_table(path).values())
    sentences = [line.replace("\t", " ").strip(" \r") for line in kaldi.read_lines(path)]
    sentences = [sentence for sentence in sentences if sentence]
    if not sentences:
        raise LotteryError(f"{path}: no text in it: give one sentence a line")
    return sentences


def tokenizer(token_type: str, bpemodel: str | Path | None = None) -> Callable[[str], list[str]]:
    """Split a line as ESPnet's tokenizer of this type does; bpe and unigram need the recipe's model."""
    if token_type == "word":
        return str.split
    if token_type == "char":
        return lambda line: [SPACE if character == " " else character for character in line]
    if not bpemodel or not Path(bpemodel).is_file():
        raise LotteryError(f"--bpemodel {bpemodel}: no such file: give the recipe's SentencePiece model, bpe.model")
    import sentencepiece

    try:
        model = sentencepiece.SentencePieceProcessor(model_file=str(bpemodel))
    except (RuntimeError, OSError):
        raise LotteryError(f"{bpemodel}: not a SentencePiece model: give the recipe's bpe.model") from None
    return lambda line: model.encode(line, out_type=str)


def read_token_list(path: str | Path) -> list[str]:
    """The recipe's tokens in order, one a line."""
    tokens = [line for line in kaldi.read_lines(path) if line]
    if not tokens:
        raise LotteryError(f"{path}: empty: run the token list stage again")
    return tokens


def unlisted(words: Mapping[str, int], tokens: Sequence[str], path: str | Path) -> dict[str, int]:
    """The words of a text (with their counts) that the list ``path`` lacks; LotteryError if they are the majority.

    A decoder never asks for them, so a few (a rare letter in a larger text) only cost their share of
    the probability.
    """
    known = set(tokens)
    missing = {word: count for word, count in words.items() if word not in known}
    lost, total = sum(missing.values()), sum(words.values())
    if 2 * lost > total:
        raise LotteryError(f"{path}: lacks {lost} of the text's {total} tokens, {_some(missing)} for instance: "
                           "give the --token_type, --bpemodel and --token_list of one recipe")
    return missing


def check_tokens(arpa: str | Path, tokens: Sequence[str], name: str | Path) -> list[str]:
    """Check that a model is over a recipe's tokens, those of the file ``name``; returns what it doesn't know.

    LotteryError when it lacks most tokens of the list, or gives most of its unigram probability to
    words outside the list (a word model for a recipe of characters, say).
    """
    tokens = [token for token in tokens if token not in RESERVED]
    words = unigrams(arpa)
    for special in ("<s>", "</s>", *RESERVED):
        words.pop(special, None)
    missing = [token for token in tokens if token not in words]
    known = set(tokens)
    outside = {word: 10**p for word, p in words.items() if word not in known}
    if 2 * len(missing) > len(tokens):
        raise LotteryError(f"{arpa}: its words are not the tokens of {name}, it lacks {_some(missing)} for "
                           "instance: make the model with audio-lottery ngram --token_list")
    if 2 * sum(outside.values()) > sum(10**p for p in words.values()):
        raise LotteryError(f"{arpa}: most of it is no token of {name}, {_some(outside)} for instance: "
                           "make the model with audio-lottery ngram --token_list")
    return missing


def _some(tokens: Iterable[str]) -> str:
    return " ".join(list(tokens)[:3])
