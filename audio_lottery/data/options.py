"""Option types: numbers within bounds, so that a wrong value is refused before work begins."""

import argparse
import math
from collections.abc import Callable


def integer(low: int, high: int | None = None) -> Callable[[str], int]:
    """A type for argparse: a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        bounds = f"from {low}" + ("" if high is None else f" to {high}")
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"a whole number {bounds} expected, not {text!r}") from None
        if value < low or (high is not None and value > high):
            raise argparse.ArgumentTypeError(f"a whole number {bounds} expected, not {value}")
        return value

    return parse


def number(low: float, high: float = math.inf) -> Callable[[str], float]:
    """A type for argparse: a number from ``low`` to ``high``, infinity only when it is the bound."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:  # NaN compares false
            raise argparse.ArgumentTypeError(f"a number from {low:g} to {high:g} expected, not {text!r}")
        return value

    return parse
