"""The options of data-driven criteria: ``criterion_conf`` of a lottery configuration."""

import dataclasses
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audio_lottery.criteria.base import needs_data
from audio_lottery.errors import LotteryError

SETS = ("train", "dev")


@dataclass(frozen=True)
class CriterionConf:
    """On which data a criterion scores, and in how many steps a round's weights go.

    set: ``train`` or ``dev``. batches: how many of its (shuffled) batches.
    iterations: steps between which the scores are taken anew, the density falling by the same factor at
        each (Tanaka et al., NeurIPS 2020; de Jorge et al., Progressive Skeletonization, ICLR 2021).
    """

    set: str = "train"
    batches: int = 8
    iterations: int = 1

    @classmethod
    def read(cls, criterion: str, options: Mapping[str, Any]) -> "CriterionConf":
        """Raise LotteryError for options that are unknown, or that do nothing with this criterion."""
        known = [field.name for field in dataclasses.fields(cls)]
        for key, value in options.items():
            if key not in known:
                near = difflib.get_close_matches(str(key), known, 1)
                hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
                raise LotteryError(f"criterion_conf: unknown key {key}: {hint}")
            if criterion not in needs_data:
                raise LotteryError(f"criterion_conf: {key} would do nothing with criterion: {criterion}, which scores "
                                   f"without data: leave it out, or take one of {', '.join(sorted(needs_data))}")
            if key == "set" and value not in SETS:
                raise LotteryError(f"criterion_conf: set: {value!r} is unknown: choose from {', '.join(SETS)}")
            if key != "set" and (type(value) is not int or value < 1):
                raise LotteryError(f"criterion_conf: {key}: {value!r} is out of range: give 1 or more")
        return cls(**options)
