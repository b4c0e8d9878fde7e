"""Points in training, written as people write them: ``0``, ``500it``, ``2ep``."""

import re
from dataclasses import dataclass

from audio_lottery.errors import LotteryError


@dataclass(frozen=True)
class Moment:
    """A point in a training run: after ``count`` optimiser steps (``it``) or epochs (``ep``)."""

    count: int
    unit: str = "it"

    @classmethod
    def parse(cls, text: str | int) -> "Moment":
        """Read ``0``, ``500it`` or ``2ep``; a bare number other than 0 is refused as ambiguous."""
        match = re.fullmatch(r"(\d+)\s*(it|ep|)", str(text).strip())
        if not match or (not match[2] and int(match[1])):
            raise LotteryError(f"rewind: {text!r} is not a point in training: write 0, 500it or 2ep")
        return cls(int(match[1]), match[2] or "it")

    @property
    def is_start(self) -> bool:
        """True for the initial weights, before the first step."""
        return self.count == 0

    def __str__(self) -> str:
        return f"{self.count}{self.unit}" if self.count else "0"
