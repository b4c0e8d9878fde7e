"""The tokens of a language model are the recipe's."""

import pytest

from audio_lottery.data import tokens as token_lists
from audio_lottery.errors import LotteryError
from audio_lottery.lm import arpa, text
from audio_lottery.lm.counts import count_ngrams
from audio_lottery.lm.kneser_ney import estimate

LINES = ["the cat  saw the dog", "a dog saw it", "the end of it", "dogs end there"]


@pytest.fixture
def transcripts(tmp_path):
    path = tmp_path / "text"
    path.write_text("".join(f"u{i} {line}\n" for i, line in enumerate(LINES)))
    return path


@pytest.mark.parametrize("token_type", ["word", "char", "bpe"])
def test_splits_as_espnet(tmp_path, transcripts, token_type):
    build = pytest.importorskip("espnet2.text.build_tokenizer", reason="ESPnet is not installed")
    token_lists.make_tokens(transcripts, tmp_path / "tokens", token_type, 20)
    model = str(tmp_path / "tokens/bpe.model") if token_type == "bpe" else None
    theirs = build.build_tokenizer(token_type, bpemodel=model)
    ours = text.tokenizer(token_type, model)
    for line in [*LINES, "unseen w\u00f6rds too"]:
        assert ours(line) == theirs.text2tokens(line)


@pytest.mark.parametrize("token_type", ["word", "char", "unigram"])
def test_recipe_tokens_pass_and_others_do_not(tmp_path, transcripts, token_type):
    lists = {}
    for kind in ("word", "char", "unigram"):
        token_lists.make_tokens(transcripts, tmp_path / kind, kind, 20)
        lists[kind] = tmp_path / kind / "tokens.txt"
    split = text.tokenizer(token_type, tmp_path / "unigram/bpe.model")
    sentences = [split(line) for line in text.read_sentences(transcripts, with_ids=True)]
    arpa.write(tmp_path / "lm", lambda: arpa.lines(estimate(count_ngrams(sentences, 2))))
    words = count_ngrams(sentences, 1).vocabulary()
    assert text.unlisted(words, text.read_token_list(lists[token_type]), lists[token_type]) == {}
    missing = text.check_tokens(tmp_path / "lm", text.read_token_list(lists[token_type]), "t")
    assert len(missing) <= 3  # pieces the text never needs
    other = lists["char" if token_type == "word" else "word"]
    with pytest.raises(LotteryError, match="--token_list"):
        text.check_tokens(tmp_path / "lm", text.read_token_list(other), other)
    with pytest.raises(LotteryError, match="--token_type"):
        text.unlisted(words, text.read_token_list(other), other)


def test_a_larger_text_may_hold_a_few_more_tokens(tmp_path):
    (tmp_path / "tokens.txt").write_text("<blank>\n<unk>\na\nb\n<sos/eos>\n")
    sentences = [["a", "b", "a"], ["b", "z"]]
    words = count_ngrams(sentences, 1).vocabulary()
    assert text.unlisted(words, text.read_token_list(tmp_path / "tokens.txt"), "t") == {"z": 1}
    arpa.write(tmp_path / "lm", lambda: arpa.lines(estimate(count_ngrams(sentences, 2))))
    assert text.check_tokens(tmp_path / "lm", text.read_token_list(tmp_path / "tokens.txt"), "t") == []


def test_bad_input(tmp_path):
    (tmp_path / "empty").write_text("\n \n")
    with pytest.raises(LotteryError, match="empty: no text"):
        text.read_sentences(tmp_path / "empty")
    with pytest.raises(LotteryError, match="empty: run"):
        (tmp_path / "list").write_text("\n")
        text.read_token_list(tmp_path / "list")
    with pytest.raises(LotteryError, match="SentencePiece"):
        text.tokenizer("bpe", None)
    with pytest.raises(LotteryError, match="not a SentencePiece"):
        text.tokenizer("bpe", tmp_path / "empty")


def test_blank_lines_are_no_sentences_and_tabs_are_blanks(tmp_path):
    (tmp_path / "t").write_text("a\tb\n\n  c d \r\n")
    assert text.read_sentences(tmp_path / "t") == ["a b", "c d"]
