"""Structures that a mask has emptied are removed, exactly: the network computes the same with fewer weights."""

from audio_lottery.shrink.layers import is_empty, remove
from audio_lottery.shrink.structures import Structure, resize, structures

__all__ = ["Structure", "is_empty", "remove", "resize", "structures"]
