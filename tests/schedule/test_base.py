"""Counts are exact whatever the number of weights."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.errors import LotteryError
from audio_lottery.schedule import count_to_prune, schedules


@pytest.mark.parametrize("kept, rate, count", [
    (10, 0.2, 2), (0, 0.2, 0), (1, 0.2, 0), (3, 0.5, 2), (1, 0.5, 0), (5, 0.5, 2), (5, 0.1, 0), (15, 0.1, 2),
    (10**20 + 3, "0.2", 2 * 10**19 + 1), (10**18, Fraction(1, 3), 333333333333333333),
    (10**17, Decimal("0.1"), 10**16),
])
def test_by_hand(kept, rate, count):
    assert count_to_prune(kept, rate) == count


@given(st.integers(0, 10**25), st.integers(1, 9999))
def test_within_half_a_weight(kept, ten_thousandths):
    rate = ten_thousandths / 10000
    count = count_to_prune(kept, rate)
    assert abs(count - Fraction(ten_thousandths, 10000) * kept) <= Fraction(1, 2)
    assert 0 <= count <= kept


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, "x", float("nan"), float("inf"), "1/0", None])
def test_bad_rates(rate):
    with pytest.raises(LotteryError, match="rate: .* give one between 0 and 1"):
        count_to_prune(10, rate)


def test_densities_of_twenty_percent_rounds():
    kept = [schedules.get("constant")(0.2).kept(number, 10**7) for number in range(9)]
    assert [round(n / 10**5, 1) for n in kept] == [100, 80, 64, 51.2, 41, 32.8, 26.2, 21, 16.8]
