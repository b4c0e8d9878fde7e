"""Stage 3: token lists as ESPnet expects them, and SentencePiece models."""

import io
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from audio_lottery import fileio
from audio_lottery.data import done, kaldi
from audio_lottery.errors import LotteryError
from audio_lottery.lock import locked

VERSION = 1  # raise when the output changes
BLANK, UNKNOWN, SOS_EOS, SPACE = "<blank>", "<unk>", "<sos/eos>", "<space>"
TOKENS, MODEL, MARKER = "tokens.txt", "bpe.model", ".done"


def make_tokens(text: str | Path, out: str | Path, token_type: str, nbpe: int) -> int:
    """Write ``out/tokens.txt``, for bpe and unigram ``out/bpe.model`` too; returns the list's length.

    Args:
        text: Kaldi text file of the training set.
        token_type: word, char, bpe or unigram.
        nbpe: length of the token list for bpe and unigram.

    Raises:
        LotteryError: a damaged text, a reserved symbol in it, or an ``nbpe`` the text cannot give.
    """
    out = Path(out)
    table = kaldi.read_table(text)
    lines = [" ".join(table[key].split()) for key in sorted(table)]
    key = done.digest("tokens", VERSION, token_type, nbpe if token_type in ("bpe", "unigram") else 0, lines)
    if done.finished(out / MARKER, key):
        return len(kaldi.read_lines(out / TOKENS)) - 1
    with locked(out, "making of tokens", beside=True):
        return _write(lines, text, out, token_type, nbpe, key)


def _write(lines: list[str], text: str | Path, out: Path, token_type: str, nbpe: int, key: str) -> int:
    files = [out / TOKENS]
    if token_type in ("bpe", "unigram"):
        model, symbols = train_sentencepiece(lines, token_type, nbpe, text)
        with fileio.atomic_path(out / MODEL) as temporary:
            temporary.write_bytes(model)
        files.append(out / MODEL)
    else:
        symbols = count_symbols(lines, token_type)
        for reserved in (BLANK, UNKNOWN, SOS_EOS):
            if reserved in symbols:
                raise LotteryError(
                    f"{text}: holds the reserved symbol {reserved}: remove it from the transcripts"
                )
        (out / MODEL).unlink(missing_ok=True)
    tokens = [BLANK, UNKNOWN, *symbols, SOS_EOS]
    fileio.write_text(out / TOKENS, "".join(f"{token}\n" for token in tokens))
    done.finish(out / MARKER, key, files)
    return len(tokens)


def count_symbols(lines: Iterable[str], token_type: str) -> list[str]:
    """Words or characters by falling count, equals in order of appearance: ESPnet's tokenize_text's order."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(line.split() if token_type == "word" else (SPACE if c == " " else c for c in line))
    return sorted(counts, key=lambda symbol: -counts[symbol])


def train_sentencepiece(
    lines: list[str], model_type: str, nbpe: int, name: str | Path
) -> tuple[bytes, list[str]]:
    """Train a model on the lines; returns its bytes and its pieces without <unk>, <s>, </s>.

    One thread and every sentence in order, so the same text gives the same model.
    """
    import sentencepiece

    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_writer=model, vocab_size=nbpe, model_type=model_type,
            character_coverage=1.0, num_threads=1, shuffle_input_sentence=False, minloglevel=3,
        )  # fmt: skip
    except (RuntimeError, OSError) as error:
        raise LotteryError(f"{name}: {_explain(str(error), nbpe, lines)}") from None
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    pieces = [processor.id_to_piece(i) for i in range(processor.get_piece_size())]
    return model.getvalue(), [
        p for i, p in enumerate(pieces) if not (processor.is_unknown(i) or processor.is_control(i))
    ]


def _explain(message: str, nbpe: int, lines: list[str]) -> str:
    if found := re.search(r"Vocabulary size too high.*?<= *(\d+)", message, re.S):
        return f"too little text for --nbpe {nbpe}: give at most {found[1]}"
    if "smaller than required_chars" in message:
        found = re.search(r"(\d+) vs (\d+)", message)
        least = int(found[2]) if found else nbpe + 1
        return f"--nbpe {nbpe} is too small for its characters: give at least {least}"
    return f"SentencePiece cannot be trained ({' '.join(message.split())[:200]}): change --nbpe or the text"
