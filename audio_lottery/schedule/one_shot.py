"""One shot: the whole budget in one round (Liu et al., Rethinking the Value of Network Pruning, ICLR 2019)."""

from dataclasses import dataclass

from audio_lottery.errors import LotteryError
from audio_lottery.schedule.base import parse_rate, schedules


@schedules.register("one_shot")
@dataclass(frozen=True)
class OneShot:
    """density: fraction of the weights in scope that remains after the one round."""

    density: float | None = None

    def __post_init__(self) -> None:
        if self.density is None:
            raise LotteryError("schedule_conf: one_shot needs a density: write density: 0.2")
        parse_rate(self.density, "schedule_conf: density")

    def kept(self, number: int, numel: int) -> int:
        """``numel`` times the density, rounded half to even."""
        return round(numel * parse_rate(self.density)) if number else numel

    def rate_of(self, number: int) -> float:
        """The fraction that the one round prunes."""
        return float(1 - parse_rate(self.density))

    def check(self, rounds: int) -> None:
        """One round, or none (dense training alone)."""
        if rounds > 1:
            raise LotteryError(f"rounds: one_shot has one round, not {rounds}: take rounds: 1, or schedule: densities")
