"""Criteria: how important is a weight? One file each, found by name in ``criteria``.

A criterion is a function ``(name, evidence) -> scores`` for one tensor: scores have the tensor's
shape, and the weights with the lowest scores go first. It is called more than once per selection
(see audio_lottery.selection), so it gives the same scores each time.
"""

from audio_lottery.criteria import (  # noqa: F401  (they register themselves)
    fisher,
    grasp,
    magnitude,
    movement,
    random,
    snip,
    synflow,
    taylor,
    wanda,
)
from audio_lottery.criteria.base import Calibration, Criterion, Evidence, criteria, needs_data, needs_start

__all__ = ["Calibration", "Criterion", "Evidence", "criteria", "needs_data", "needs_start"]
