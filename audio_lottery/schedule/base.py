"""What schedules share: exact rates, their type and their registry."""

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import Protocol

from audio_lottery.errors import LotteryError
from audio_lottery.registry import Registry

Rate = float | str | Decimal | Fraction
# Further rounds that a search would hardly have: a target not reached then is out of reach.
MANY = 500


class Schedule(Protocol):
    """How much remains after each round. A dataclass whose fields are ``rate`` or ``schedule_conf``."""

    def kept(self, number: int, numel: int) -> int:
        """Weights that remain of ``numel`` after ``number`` rounds; never more than after one less."""

    def rate_of(self, number: int) -> float:
        """Fraction of the remaining weights that round ``number`` (1, 2, ...) prunes, to display."""

    def check(self, rounds: int) -> None:
        """Raise LotteryError unless the schedule makes sense over this many rounds."""


schedules: Registry[type[Schedule]] = Registry("schedule")


def parse_rate(rate: Rate, what: str = "rate") -> Fraction:
    """The rate as an exact fraction of its decimal text: 0.2 is 1/5, not the nearest float.

    Raises LotteryError unless 0 < rate < 1.
    """
    try:
        exact = rate if isinstance(rate, Fraction) else Fraction(str(rate))
    except (ValueError, ZeroDivisionError):
        raise LotteryError(f"{what}: {rate!r} is not a number: give one between 0 and 1, as 0.2") from None
    if not 0 < exact < 1:
        raise LotteryError(f"{what}: {rate} is out of range: give one between 0 and 1, as 0.2")
    return exact


def count_to_prune(kept: int, rate: Rate) -> int:
    """How many of ``kept`` weights a round prunes: ``kept * rate``, rounded half to even.

    Integer arithmetic throughout, so the count is exact for any number of weights.
    """
    return round(kept * parse_rate(rate))


def check_target(target: float | None, rounds: int, rate: Callable[[int], Fraction]) -> None:
    """Refuse a target density that the rounds do not reach, with the nearest that can be had.

    rate: of round 1, 2, ...
    """
    if target is None:
        return
    wanted, density = parse_rate(target, "schedule_conf: target"), Fraction(1)
    for number in range(1, rounds + 1):
        density *= 1 - rate(number)
    if density <= wanted:
        return
    more, left = rounds, float(density)
    while left > wanted and more < rounds + MANY:
        more += 1
        left *= 1 - float(rate(more))
    remedy = f"rounds: {more}" if left <= wanted else "a higher rate, for no number of rounds reaches it"
    raise LotteryError(f"schedule_conf: target: {target} is not reached in {rounds} rounds, which keep "
                       f"{float(density):.3f}: take a target of {ceil(density * 1000) / 1000:g} or more, or {remedy}")
