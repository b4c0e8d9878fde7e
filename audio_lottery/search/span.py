"""Lengths of time in a training run, as people write them: ``100it``, ``2ep``, or a fraction of the run, ``0.5``."""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from audio_lottery.errors import LotteryError


@dataclass(frozen=True)
class Length:
    """A whole training run: epochs, optimiser steps an epoch, models that are averaged at its end."""

    epochs: int
    steps_per_epoch: int
    averaged: int = 1

    @property
    def steps(self) -> int:
        """Optimiser steps of the run."""
        return self.epochs * self.steps_per_epoch


@dataclass(frozen=True)
class Span:
    """``count`` optimiser steps (``it``) or epochs (``ep``), or this fraction of the run (no unit)."""

    count: Fraction
    unit: str = ""

    @classmethod
    def parse(cls, value: object, what: str) -> "Span":
        """Read ``100it``, ``2ep`` or a number from 0 to 1; ``what`` names the key in errors."""
        match = re.fullmatch(r"(\d+)\s*(it|ep)", str(value).strip())
        if match:
            return cls(Fraction(match[1]), match[2])
        try:
            fraction = Fraction(str(value))
        except (ValueError, ZeroDivisionError):
            fraction = None
        if fraction is None or isinstance(value, bool) or not 0 <= fraction <= 1:
            raise LotteryError(f"{what}: {value!r} is not a part of a training run: write a fraction of it, like 0.5, "
                               "or 100it or 2ep")
        return cls(fraction)

    def steps(self, length: Length) -> int:
        """The same in optimiser steps; a fraction to the nearest."""
        whole = {"it": 1, "ep": length.steps_per_epoch, "": length.steps}[self.unit]
        return round(self.count * whole)

    def interval(self, length: Length) -> int:
        """The same as the time between two events: a fraction of a short run is at least a step."""
        return max(self.steps(length), 1 if self.count and not self.unit else 0)

    def epochs(self, length: Length) -> int:
        """The same in whole epochs, rounded up."""
        whole = {"it": Fraction(1, length.steps_per_epoch), "ep": Fraction(1), "": Fraction(length.epochs)}[self.unit]
        return ceil(self.count * whole)
