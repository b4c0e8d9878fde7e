"""Digit strings: every digit used once, 3 to 7 in a string."""

import random

from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.data import kaldi, strings


@given(st.integers(0, 600), st.integers())
def test_lengths_use_every_digit_in_strings_of_3_to_7(total, seed):
    lengths = strings.random_lengths(total, random.Random(seed))
    assert sum(lengths) == total
    assert all(3 <= n <= 7 for n in lengths) or (total < 3 and lengths == ([total] if total else []))


def test_prepared_once(tmp_path, capsys):
    (tmp_path / "a.wav").write_bytes(b"x")
    calls = []

    def build():
        calls.append(1)
        return {"train": kaldi.make_data_dir([("u", "s", str(tmp_path / "a.wav"), "ONE TWO")])}

    strings.prepare_once(tmp_path, "c", "key", build)
    assert "1 utterances, 2 words, 1 speakers" in capsys.readouterr().out
    strings.prepare_once(tmp_path, "c", "key", build)
    assert len(calls) == 1 and "already prepared" in capsys.readouterr().out
    strings.prepare_once(tmp_path, "c", "other key", build)
    (tmp_path / "train/text").write_text("u SIX\n")
    strings.prepare_once(tmp_path, "c", "other key", build)
    assert len(calls) == 3 and (tmp_path / "train/text").read_text() == "u ONE TWO\n"
