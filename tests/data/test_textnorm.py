"""Text rules: what stays, in which case, in more than one script."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.data.textnorm import normalise


@pytest.mark.parametrize("text, lower", [
    ("  Don\u2019t   stop! ", "don't stop"),
    ("'quoted' words", "quoted words"),
    ("rock 'n' roll", "rock n roll"),
    ("well-known \u2014 e.g. 3,5 \u20ac", "well known e g 3 5"),
    ("Cafe\u0301 \u00c4RGER", "caf\u00e9 \u00e4rger"),
    ("\u0928\u092e\u0938\u094d\u0924\u0947\u0964", "\u0928\u092e\u0938\u094d\u0924\u0947"),
    ("\u0645\u06cc\u200c\u0631\u0648\u0645", "\u0645\u06cc\u200c\u0631\u0648\u0645"),
    ("\u00bfQu\u00e9?", "qu\u00e9"),
    ("...", ""),
])
def test_rules(text, lower):
    assert normalise(text, "lower") == lower
    assert normalise(text, "upper").lower() == lower


def test_raw_changes_blanks_only():
    assert normalise(' \u201cA\u201d  -  b\t', "raw") == "\u201cA\u201d - b"


@given(st.text())
def test_a_second_time_changes_nothing_and_only_word_characters_stay(text):
    once = normalise(text, "lower")
    assert normalise(once, "lower") == once
    assert all(unicodedata.category(c)[0] in "LMN" or c in " '\u200c\u200d" for c in once)
