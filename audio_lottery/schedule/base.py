"""What schedules share: exact rates, their type and their registry."""

from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from audio_lottery.errors import LotteryError
from audio_lottery.registry import Registry

Rate = float | str | Decimal | Fraction


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


def densities(rate: Rate, rounds: int) -> list[float]:
    """Planned density after 0, 1, ... ``rounds`` rounds, to display; real ones are counted."""
    return [float((1 - parse_rate(rate)) ** n) for n in range(rounds + 1)]


def check_target(target: float | None, reached: list[Fraction], limit: float) -> None:
    """Refuse a target density that the rounds do not reach.

    reached: planned density after 1, 2, ... rounds, more of them than the search has; limit: the
    density that no number of rounds goes below.
    """
    if target is None:
        return
    wanted, rounds = parse_rate(target, "schedule_conf: target"), len(reached)
    if not reached or reached[-1] > wanted:
        now = float(reached[-1]) if reached else 1.0
        remedy = f"a target of {limit:.3f} or more, " if wanted <= limit else ""
        raise LotteryError(f"schedule_conf: target: {target} is not reached in {rounds} rounds, which keep {now:.3f}: "
                           f"take {remedy}more rounds or a higher rate")
