"""Constant: every round prunes the same fraction of what remains (Frankle & Carbin, ICLR 2019)."""

from dataclasses import dataclass

from audio_lottery.schedule.base import Rate, check_target, count_to_prune, parse_rate, schedules


@schedules.register("constant")
@dataclass(frozen=True)
class Constant:
    """rate: fraction of what remains; target: a density that the last round must reach, if given."""

    rate: Rate
    target: float | None = None

    def kept(self, number: int, numel: int) -> int:
        """``numel`` minus each round's exact count, see count_to_prune."""
        for _ in range(number):
            numel -= count_to_prune(numel, self.rate)
        return numel

    def rate_of(self, number: int) -> float:
        """The same for every round."""
        return self.rate

    def check(self, rounds: int) -> None:
        """The target is reached."""
        check_target(self.target, rounds, lambda number: parse_rate(self.rate))
