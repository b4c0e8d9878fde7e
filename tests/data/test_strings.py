"""Digit strings: every digit used once, 3 to 7 in a string."""

import random

from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.data import strings


@given(st.integers(0, 600), st.integers())
def test_lengths_use_every_digit_in_strings_of_3_to_7(total, seed):
    lengths = strings.random_lengths(total, random.Random(seed))
    assert sum(lengths) == total
    assert all(3 <= n <= 7 for n in lengths) or (total < 3 and lengths == ([total] if total else []))
