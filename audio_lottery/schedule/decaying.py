"""Decaying: the rate is multiplied by a factor after every round.

The extension of Audio Lottery (Ding et al., ICLR 2022): round r prunes ``rate * factor ** (r - 1)`` of
what remains.
"""

from dataclasses import dataclass
from fractions import Fraction

from audio_lottery.schedule.base import Rate, check_target, count_to_prune, parse_rate, schedules


@schedules.register("decaying")
@dataclass(frozen=True)
class Decaying:
    """factor: of the rate from round to round; target: a density that the last round must reach, if given."""

    rate: Rate
    factor: float = 0.9
    target: float | None = None

    def __post_init__(self) -> None:
        parse_rate(self.factor, "schedule_conf: factor")

    def exact_rate(self, number: int) -> Fraction:
        """The rate of a round as a fraction."""
        return parse_rate(self.rate) * parse_rate(self.factor) ** (number - 1)

    def kept(self, number: int, numel: int) -> int:
        """``numel`` minus each round's exact count, see count_to_prune."""
        for done in range(1, number + 1):
            numel -= count_to_prune(numel, self.exact_rate(done))
        return numel

    def rate_of(self, number: int) -> float:
        """The fraction this round prunes."""
        return float(self.exact_rate(number))

    def check(self, rounds: int) -> None:
        """The target is reached."""
        check_target(self.target, rounds, self.exact_rate)
