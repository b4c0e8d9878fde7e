"""Searches that act within a training run, and rounds that stop early: by name in ``withins`` and ``stops``.

One file a method. The training loop sees a :class:`audio_lottery.search.session.Session`.
"""

from audio_lottery.search import early, early_bird, gradual, rigl, set  # noqa: F401  (they register themselves)
from audio_lottery.search.base import Course, Job, Stop, Within, stops, withins
from audio_lottery.search.span import Length

__all__ = ["Course", "Job", "Length", "Stop", "Within", "stops", "withins"]
