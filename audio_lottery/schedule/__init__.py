"""Schedules: how much is pruned in a round? One file each, found by name in ``schedules``."""

from audio_lottery.schedule import constant, decaying, listed, one_shot  # noqa: F401  (they register themselves)
from audio_lottery.schedule.base import Schedule, count_to_prune, parse_rate, schedules

__all__ = ["Schedule", "count_to_prune", "parse_rate", "schedules"]
