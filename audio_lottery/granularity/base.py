"""What granularities share: their types and their registry.

A tensor of any shape is seen as a matrix, [outputs, inputs x kernel]: rows are outputs, and a column is
one tap of one input.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from audio_lottery.registry import Registry
from audio_lottery.selection import Scores

Shapes = Mapping[str, tuple[int, ...]]


class Selector(Protocol):
    """A granularity bound to the tensors of one network: chooses what goes.

    names: the tensors that can lose weights at all, in network order; the scope shrinks to them.
    units: which of them lose groups together; each is in one unit.
    exact: whether any budget is met to the weight.
    """

    names: tuple[str, ...]
    units: tuple[tuple[str, ...], ...]
    exact: bool

    def select(self, scores: Mapping[str, Scores], count: int, within: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``within`` without the lowest-scored groups, about ``count`` weights: name -> bool tensor."""

    def slack(self) -> int:
        """By how many weights a round's count may be missed because groups are not cut."""

    def broken(self, mask: Mapping[str, Tensor]) -> list[str]:
        """Names of tensors where the mask cuts a group."""


@dataclass(frozen=True)
class Granularity:
    """bind: (shapes in scope, the network) -> Selector. The network is None where it isn't at hand."""

    name: str
    bind: Callable[[Shapes, nn.Module | None], Selector]


granularities: Registry[Granularity] = Registry("granularity")


def as_matrix(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns of a tensor's matrix; a vector is one row."""
    if len(shape) < 2:
        return 1, torch.Size(shape).numel()
    return shape[0], torch.Size(shape[1:]).numel()
