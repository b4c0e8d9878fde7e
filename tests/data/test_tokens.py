"""Token lists: equal to ESPnet's own, models repeatable, limits told."""

import re
import subprocess
import sys

import pytest

from audio_lottery.data import kaldi, tokens
from audio_lottery.errors import LotteryError

TEXT = "u1 ONE TWO TWO\nu2 THREE  TWO\nu3 SEVEN ONE\nu4 ELEVEN SEVENTEEN ONE\n"


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text").write_text(TEXT)
    return tmp_path / "text"


def read(path):
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("token_type", ["word", "char"])
def test_the_list_is_what_espnet_makes(text, tmp_path, token_type):
    count = tokens.make_tokens(text, tmp_path / "ours", token_type, 0)
    subprocess.run(
        [sys.executable, "-m", "espnet2.bin.tokenize_text", "--token_type", token_type, "--input", text,
         "--output", tmp_path / "theirs", "--field", "2-", "--cleaner", "none", "--g2p", "none",
         "--write_vocabulary", "true", "--add_symbol", "<blank>:0", "--add_symbol", "<unk>:1",
         "--add_symbol", "<sos/eos>:-1"], check=True, capture_output=True)  # fmt: skip
    ours = read(tmp_path / "ours/tokens.txt")
    assert ours == read(tmp_path / "theirs") and len(ours) == count


@pytest.mark.parametrize("token_type", ["bpe", "unigram"])
def test_pieces_are_the_models(text, tmp_path, token_type):
    import sentencepiece

    assert tokens.make_tokens(text, tmp_path / "a", token_type, 18) == 18
    tokens.make_tokens(text, tmp_path / "b", token_type, 18)
    assert (tmp_path / "a/bpe.model").read_bytes() == (tmp_path / "b/bpe.model").read_bytes()
    model = sentencepiece.SentencePieceProcessor(model_file=str(tmp_path / "a/bpe.model"))
    listed = read(tmp_path / "a/tokens.txt")
    assert listed[:2] == ["<blank>", "<unk>"] and listed[-1] == "<sos/eos>"
    assert len(set(listed)) == len(listed)
    for line in kaldi.read_table(text).values():
        pieces = model.encode(line, out_type=str)
        assert set(pieces) <= set(listed) and model.decode(pieces) == " ".join(line.split())


@pytest.mark.parametrize("token_type", ["bpe", "unigram"])
@pytest.mark.parametrize(("nbpe", "word"), [(5000, "at most"), (3, "at least")])
def test_the_limit_is_told_and_is_the_limit(text, tmp_path, token_type, nbpe, word):
    with pytest.raises(LotteryError, match=rf"text: .*{word} \d+$") as caught:
        tokens.make_tokens(text, tmp_path / "t", token_type, nbpe)
    limit = int(re.findall(r"\d+", str(caught.value))[-1])
    assert not (tmp_path / "t").exists()
    assert tokens.make_tokens(text, tmp_path / "t", token_type, limit) == limit
    beyond = limit + (1 if word == "at most" else -1)
    with pytest.raises(LotteryError, match=word):
        tokens.make_tokens(text, tmp_path / "u", token_type, beyond)


def test_reserved_symbols_and_damaged_text_are_refused(text, tmp_path):
    text.write_text("u1 ONE <blank>\n")
    with pytest.raises(LotteryError, match="reserved symbol <blank>"):
        tokens.make_tokens(text, tmp_path / "t", "word", 0)
    text.write_bytes(b"u1 ONE\nu2 \xff\n")
    with pytest.raises(LotteryError, match="text:2: not UTF-8"):
        tokens.make_tokens(text, tmp_path / "t", "word", 0)


def test_done_once_until_the_text_changes(text, tmp_path):
    out = tmp_path / "t"
    tokens.make_tokens(text, out, "unigram", 18)
    stamp = (out / "tokens.txt").stat().st_mtime_ns
    assert tokens.make_tokens(text, out, "unigram", 18) == 18
    assert (out / "tokens.txt").stat().st_mtime_ns == stamp
    tokens.make_tokens(text, out, "word", 18)
    assert "SEVENTEEN" in read(out / "tokens.txt") and not (out / "bpe.model").exists()
    text.write_text(TEXT + "u5 NINE\n")
    assert tokens.make_tokens(text, out, "word", 18) == 3 + 7
