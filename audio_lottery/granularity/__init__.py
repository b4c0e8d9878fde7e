"""Granularities: which weights go together? By name in ``granularities``, or written as RxC or N:M."""

import re

from audio_lottery.errors import LotteryError
from audio_lottery.granularity import blocks, coupled, n_of_m, weight  # noqa: F401  (they register themselves)
from audio_lottery.granularity.base import Granularity, Selector, granularities
from audio_lottery.granularity.by_gate import ByGate, bind
from audio_lottery.granularity.groups import Groups


def parse(text: str) -> Granularity:
    """The granularity of a name (``weight``, ``head``), of blocks (``8x1``) or of N:M (``2:4``)."""
    match = re.fullmatch(r"(\d+)([x:])(\d+)", text)
    if not match:
        try:
            return granularities.get(text)
        except LotteryError as error:
            raise LotteryError(f"{error}, or write blocks as 8x1, or N:M as 2:4") from None
    first, second = int(match[1]), int(match[3])
    if match[2] == ":":
        return n_of_m.n_of_m(first, second)
    if not first or not second:
        raise LotteryError(f"granularity: {text} has no weights in a block: take {max(first, 1)}x{max(second, 1)}")
    return blocks.block(first, second)


def groups_of(selector: Selector) -> Groups | None:
    """The groups that a selector chooses among, by whole tensors; None for single weights and N:M."""
    if isinstance(selector, ByGate):
        return selector.groups()
    return selector if isinstance(selector, Groups) else None


__all__ = ["ByGate", "Granularity", "Groups", "Selector", "bind", "granularities", "groups_of", "parse"]
