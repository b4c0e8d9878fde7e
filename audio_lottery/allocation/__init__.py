"""Allocations: where does a round's budget go? One file each, found by name in ``allocations``."""

from audio_lottery.allocation import (  # noqa: F401  (they register themselves)
    bounded,
    copied,
    erk,
    even,
    everywhere,
    layerwise,
    output,
    uniform,
)
from audio_lottery.allocation.base import Allocation, Budget, Request, allocations, share

__all__ = ["Allocation", "Budget", "Request", "allocations", "share"]
