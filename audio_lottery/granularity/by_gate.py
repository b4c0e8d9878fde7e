"""Any granularity within a tensor, with the gates of recurrent matrices as tensors of their own."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from audio_lottery import gates
from audio_lottery.errors import LotteryError
from audio_lottery.gates import Blocks
from audio_lottery.granularity.base import Granularity, Selector, Shapes
from audio_lottery.granularity.groups import Groups, Split
from audio_lottery.selection import Elementwise, Scores


@dataclass(frozen=True)
class ByGate:
    """A selector over whole tensors (``names``) whose ``inner`` one sees the gates' ``blocks``."""

    names: tuple[str, ...]
    blocks: Blocks
    inner: Selector

    @property
    def units(self) -> tuple[tuple[str, ...], ...]:
        """Of the blocks."""
        return self.inner.units

    @property
    def exact(self) -> bool:
        """As without gates."""
        return self.inner.exact

    def slack(self) -> int:
        """As without gates."""
        return self.inner.slack()

    def split_scores(self, scores: Mapping[str, Scores]) -> dict[str, Scores]:
        """The scores of every block; they are computed when they are asked for, as those of whole tensors."""
        return {block: _rows(scores[name], number, len(self.blocks.get(name, (name,))))
                for name in scores for number, block in enumerate(self.blocks.get(name, (name,)))}

    def select(self, scores: Mapping[str, Scores], count: int, within: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``within`` without about ``count`` weights, by one threshold over whole tensors."""
        chosen = self.inner.select(self.split_scores(scores), count, gates.split(within, self.blocks))
        return gates.join(chosen, within, self.blocks)

    def broken(self, mask: Mapping[str, Tensor]) -> list[str]:
        """Names of blocks where the mask cuts a group."""
        return self.inner.broken(gates.split(mask, self.blocks))

    def groups(self) -> Groups | None:
        """The inner groups as those of whole tensors; None where there are none."""
        if not isinstance(self.inner, Groups):
            return None
        splits = {}
        for name in self.names:
            parts = [self.inner.splits[block] for block in self.blocks.get(name, (name,))]
            # the blocks are as wide as the matrix, so their columns are numbered alike
            splits[name] = Split(torch.cat([part.rows for part in parts]), parts[0].columns, name)
        return Groups(splits)


def bind(grain: Granularity, shapes: Shapes, network: nn.Module | None, blocks: Blocks) -> Selector:
    """``grain`` bound to tensors, of which those in ``blocks`` are bound gate by gate.

    Raises LotteryError for a granularity whose groups go across tensors: it has no place for gates.
    """
    if not blocks:
        return grain.bind(shapes, network)
    parts: dict[str, tuple[int, ...]] = {}
    for name, shape in shapes.items():
        names = blocks.get(name, (name,))
        parts |= dict.fromkeys(names, (shape[0] // len(names), *shape[1:]))
    inner = grain.bind(parts, network)
    if set(inner.names) != set(parts):
        raise LotteryError(f"scope.gates: granularity {grain.name} does not go by the rows of a gate: take "
                           "granularity: weight, row, column or blocks such as 8x1, or scope.gates: false")
    return ByGate(tuple(shapes), blocks, inner)


def _rows(score: Scores, number: int, of: int) -> Scores:
    if of == 1:
        return score
    if isinstance(score, Tensor):
        return score.chunk(of)[number]
    if isinstance(score, Elementwise):
        return Elementwise(score.weights.chunk(of)[number], score.function)
    return partial(_computed, score, number, of)


def _computed(score: Scores, number: int, of: int) -> Tensor:
    return score().chunk(of)[number]
