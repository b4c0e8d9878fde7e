"""How much to prune in a round."""

from decimal import Decimal
from fractions import Fraction

from audio_lottery.errors import LotteryError


def parse_rate(rate: float | str | Decimal | Fraction) -> Fraction:
    """The rate as an exact fraction of its decimal text: 0.2 is 1/5, not the nearest float.

    Raises LotteryError unless 0 < rate < 1.
    """
    try:
        exact = rate if isinstance(rate, Fraction) else Fraction(str(rate))
    except (ValueError, ZeroDivisionError):
        raise LotteryError(f"rate: {rate!r} is not a number: give one between 0 and 1, as 0.2") from None
    if not 0 < exact < 1:
        raise LotteryError(f"rate: {rate} is out of range: give one between 0 and 1, as 0.2")
    return exact


def count_to_prune(kept: int, rate: float | str | Decimal | Fraction) -> int:
    """How many of ``kept`` weights a round prunes: ``kept * rate``, rounded half to even.

    Integer arithmetic throughout, so the count is exact for any number of weights.
    """
    return round(kept * parse_rate(rate))


def densities(rate: float | str | Decimal | Fraction, rounds: int) -> list[float]:
    """Planned density after 0, 1, ... ``rounds`` rounds, to display; real ones are counted."""
    return [float((1 - parse_rate(rate)) ** n) for n in range(rounds + 1)]
