"""Kaldi texts and trn files."""

import pytest

from audio_lottery.errors import LotteryError
from audio_lottery.metrics.trn import read_kaldi, read_trn, special_to_sclite, write_trn


def test_read_kaldi(tmp_path):
    path = tmp_path / "text"
    path.write_text("u1 one  two \nu2\tthree\n\nu3\n", encoding="utf-8")
    assert read_kaldi(path, empty=True) == {"u1": "one  two", "u2": "three", "u3": ""}


def test_read_kaldi_keeps_unicode_line_separators(tmp_path):
    path = tmp_path / "text"
    path.write_text("u1 a\u2028b\u0085c\nu2 d\n", encoding="utf-8")
    assert read_kaldi(path) == {"u1": "a\u2028b\u0085c", "u2": "d"}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("u1 a\nu2 b\nu1 c\n", "text:3: utterance u1 occurs twice"),
        ("u1 a\nu2\n", "text:2: utterance u2 has no value"),
        ("\n", "text: no utterance in it"),
    ],
)
def test_read_kaldi_names_the_line_at_fault(tmp_path, content, fault):
    (tmp_path / "text").write_text(content, encoding="utf-8")
    with pytest.raises(LotteryError, match=fault):
        read_kaldi(tmp_path / "text")


def test_trn_is_written_as_espnet_does_and_read_back(tmp_path):
    texts, speakers = {"u1": "a (b) c", "u2": ""}, {"u1": "anna", "u2": "bob"}
    write_trn(tmp_path / "ref.trn", texts, speakers)
    assert (tmp_path / "ref.trn").read_text() == "a (b) c\t(anna-u1)\n\t(bob-u2)\n"
    assert read_trn(tmp_path / "ref.trn") == {"anna-u1": "a (b) c", "bob-u2": ""}


@pytest.mark.parametrize(
    ("content", "fault"), [("a b\n", "trn:1: no"), ("a (s-1)\nb (s-1)\n", "trn:2: id s-1 occurs twice")]
)
def test_read_trn_names_the_line_at_fault(tmp_path, content, fault):
    (tmp_path / "trn").write_text(content)
    with pytest.raises(LotteryError, match=fault):
        read_trn(tmp_path / "trn")


@pytest.mark.parametrize(
    "text", ["x @ y", "{ a / b }", "a{b", "a;b", ";; a", "a\\b", "a* b", "** a", "* a", "x" * 100]
)
def test_texts_that_sclite_reads_otherwise(text):
    assert special_to_sclite({"u1": text}, {"u1": "s"})


@pytest.mark.parametrize("text", ["", "a/b / c", "a} b", "a@b", "(a) (", "x * y", "É 数", "x" * 99])
def test_texts_that_sclite_reads_literally(text):
    assert special_to_sclite({"u1": text}, {"u1": "s"}) is None


@pytest.mark.parametrize("ids", [["Ab", "aB"], ["ä"], ["a(1)"]])
def test_ids_that_sclite_confuses(ids):
    assert special_to_sclite(dict.fromkeys(ids, "x"), dict.fromkeys(ids, "s"))
