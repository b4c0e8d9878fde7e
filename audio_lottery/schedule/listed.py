"""Densities: a list of the densities in scope after round 1, 2, ..."""

from collections.abc import Sequence
from dataclasses import dataclass

from audio_lottery.errors import LotteryError
from audio_lottery.schedule.base import parse_rate, schedules


@schedules.register("densities")
@dataclass(frozen=True)
class Densities:
    """densities: density in scope after each round, falling, one a round or more."""

    densities: Sequence[float] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.densities, list | tuple) or not self.densities:
            raise LotteryError("schedule_conf: densities: a list is needed: write densities: [0.5, 0.2]")
        exact = [parse_rate(one, "schedule_conf: densities") for one in self.densities]
        for before, after in zip(exact, exact[1:], strict=False):
            if after >= before:
                raise LotteryError(f"schedule_conf: densities: {float(after)} follows {float(before)}: list "
                                   "falling densities")

    def kept(self, number: int, numel: int) -> int:
        """The density of round ``number`` times ``numel``, rounded half to even."""
        return round(numel * parse_rate(self.densities[number - 1])) if number else numel

    def rate_of(self, number: int) -> float:
        """The fraction of what remained that this round prunes."""
        before = parse_rate(self.densities[number - 2]) if number > 1 else 1
        return float(1 - parse_rate(self.densities[number - 1]) / before)

    def check(self, rounds: int) -> None:
        """There is a density for every round."""
        if rounds > len(self.densities):
            raise LotteryError(f"rounds: {rounds} rounds and {len(self.densities)} densities: take "
                               f"rounds: {len(self.densities)}, or list more densities")
