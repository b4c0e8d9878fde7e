"""Each schedule by hand, and what they refuse."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.errors import LotteryError
from audio_lottery.schedule import count_to_prune, schedules

CONSTANT, DECAYING = schedules.get("constant"), schedules.get("decaying")
LISTED, ONE_SHOT = schedules.get("densities"), schedules.get("one_shot")


def test_constant_is_what_the_rounds_prune_one_by_one():
    assert [CONSTANT(0.2).kept(number, 100) for number in range(5)] == [100, 80, 64, 51, 41]
    assert CONSTANT(0.3).rate_of(7) == 0.3


def test_decaying_by_hand():
    schedule = DECAYING(0.4, factor=0.5)
    # 40%, 20%, 10% of what remains: 100 -> 60 -> 48 -> 43.2
    assert [schedule.kept(number, 1000) for number in range(4)] == [1000, 600, 480, 432]
    assert [schedule.rate_of(number) for number in (1, 2, 3)] == [0.4, 0.2, 0.1]


def test_densities_and_one_shot_by_hand():
    assert [LISTED([0.5, 0.25, 0.1]).kept(number, 30) for number in range(4)] == [30, 15, 8, 3]
    assert LISTED([0.5, "0.25"]).rate_of(2) == 0.5 and LISTED([0.8, 0.2]).rate_of(1) == 0.2
    assert ONE_SHOT(0.2).kept(1, 1001) == 200 and ONE_SHOT(0.2).rate_of(1) == pytest.approx(0.8)


@given(st.integers(0, 10**12), st.integers(1, 99), st.integers(1, 99))
def test_never_grows(numel, rate, factor):
    for schedule in (CONSTANT(rate / 100), DECAYING(rate / 100, factor / 100), LISTED([0.7, 0.3, 0.2, 0.1])):
        kept = [schedule.kept(number, numel) for number in range(5)]
        assert kept[0] == numel and sorted(kept, reverse=True) == kept
    assert CONSTANT(rate / 100).kept(1, numel) == numel - count_to_prune(numel, rate / 100)


@pytest.mark.parametrize("make, said", [
    (lambda: DECAYING(0.2, 1.0), "schedule_conf: factor: 1.0 is out of range"),
    # 0.8 * 0.9 * 0.95 * ... stays above 0.65
    (lambda: DECAYING(0.2, 0.5, target=0.2).check(8), r"target: 0.2 is not reached in 8 rounds, which keep 0.6\d+: "
     r"take a target of 0.6\d\d or more, or a higher rate, for no number of rounds reaches it"),
    (lambda: CONSTANT(0.2, target=0.2).check(3), "0.2 is not reached in 3 rounds, which keep 0.512: take a target of "
     "0.512 or more, or rounds: 8"),
    (lambda: LISTED([0.5, 0.5]), "0.5 follows 0.5: list falling"),
    (lambda: LISTED(), "a list is needed"),
    (lambda: LISTED([0.5, "x"]), "'x' is not a number"),
    (lambda: LISTED([0.5]).check(2), "take rounds: 1"),
    (lambda: ONE_SHOT(), "needs a density"),
    (lambda: ONE_SHOT(0.2).check(2), "take rounds: 1"),
])
def test_what_makes_no_sense_is_refused(make, said):
    with pytest.raises(LotteryError, match=said):
        make()


def test_targets_that_are_reached():
    CONSTANT(0.2, target=0.2).check(8)
    DECAYING(0.2, 0.95, target=0.3).check(8)
