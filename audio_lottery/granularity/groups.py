"""Groups of weights that go together, within a tensor or across several.

A tensor's groups are given by two vectors: the group of the weight in row i and column j has the number
``rows[i] + columns[j]``. That holds blocks, rows, columns, heads, channels and layers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio_lottery import snapshot
from audio_lottery.errors import LotteryError
from audio_lottery.granularity.base import as_matrix
from audio_lottery.selection import Scores


@dataclass(frozen=True)
class Split:
    """The groups of one tensor: ``rows`` and ``columns`` (int64, a number for each) and its ``unit``."""

    rows: Tensor
    columns: Tensor
    unit: str

    def numbers(self) -> np.ndarray:
        """The group of every weight, flat."""
        return (self.rows[:, None] + self.columns[None, :]).reshape(-1).numpy()


class Groups:
    """The groups of a network's tensors; the numbers run from 0 to ``count`` - 1."""

    exact = False

    def __init__(self, splits: Mapping[str, Split]):
        self.splits = dict(splits)
        self.names = tuple(self.splits)
        units: dict[str, list[str]] = {}
        for name, split in self.splits.items():
            units.setdefault(split.unit, []).append(name)
        self.units = tuple(tuple(names) for names in units.values())
        self.count = max((int(s.rows.max() + s.columns.max()) + 1 for s in self.splits.values()), default=0)

    def sizes(self) -> np.ndarray:
        """Weights of every group."""
        return self._sum({name: None for name in self.names}, {})

    def per_unit(self) -> list[int]:
        """Number of groups in each unit."""
        ends = [[(int(split.rows.min() + split.columns.min()), int(split.rows.max() + split.columns.max()))
                 for split in map(self.splits.get, names)] for names in self.units]
        return [max(end for _, end in unit) - min(start for start, _ in unit) + 1 for unit in ends]

    def slack(self) -> int:
        """Half the largest group: a round stops at the group whose end is nearest to its count."""
        return int(self.sizes().max(initial=0)) // 2

    def select(self, scores: Mapping[str, Scores], count: int, within: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The groups with the lowest mean scores go, as many as come nearest to ``count`` weights.

        The mean is over the weights that remain, so groups at the edge of a tensor are judged alike.
        Of equal means the lower number goes first; of two counts equally near, the one that prunes less.
        """
        values = {name: score if isinstance(score, Tensor) else score() for name, score in scores.items()}
        sizes, sums = self._sum(dict.fromkeys(scores), within), self._sum(values, within)
        alive = np.flatnonzero(sizes)
        means = sums[alive] / sizes[alive]
        order = alive[np.argsort(means, kind="stable")]
        totals = np.concatenate(([0], np.cumsum(sizes[order])))
        if count > totals[-1]:
            raise LotteryError(f"prune: {count} weights asked for and only {totals[-1]} remain: prune fewer")
        end = int(np.abs(totals - count).argmin())
        gone = np.zeros(self.count, bool)
        gone[order[:end]] = True
        return {name: within[name] & ~torch.from_numpy(gone[self.splits[name].numbers()]).view(within[name].shape)
                for name in scores}

    def broken(self, mask: Mapping[str, Tensor]) -> list[str]:
        """Tensors of groups that are neither whole nor gone."""
        left, sizes = self._sum(dict.fromkeys(self.names), mask), self.sizes()
        cut = (left > 0) & (left < sizes)
        return [name for name, split in self.splits.items() if cut[split.numbers()].any()]

    def save(self, path: Path) -> None:
        """Write the groups as safetensors, so that masks can be checked without the network."""
        tensors = {f"{name}:{part}": getattr(split, part) for name, split in self.splits.items()
                   for part in ("rows", "columns")}
        snapshot.save(path, tensors, {name: split.unit for name, split in self.splits.items()})

    @classmethod
    def load(cls, path: Path) -> "Groups":
        """Read what save() wrote."""
        tensors, units = snapshot.load(path), snapshot.metadata(path)
        return cls({name: Split(tensors[f"{name}:rows"], tensors[f"{name}:columns"], unit)
                    for name, unit in units.items()})

    def _sum(self, values: Mapping[str, Tensor | None], within: Mapping[str, Tensor]) -> np.ndarray:
        """Of every group, the sum of its values (None: its number of weights) where ``within`` is True."""
        counting = all(value is None for value in values.values())
        total = np.zeros(self.count, np.int64 if counting else np.float64)
        for name, value in values.items():
            numbers = self.splits[name].numbers()
            weights = None if value is None else value.detach().cpu().double().reshape(-1).numpy()
            if name in within:
                inside = within[name].cpu().reshape(-1).numpy()
                numbers, weights = numbers[inside], None if weights is None else weights[inside]
            if weights is not None and np.isnan(weights).any():
                raise LotteryError(f"{name}: NaN among its scores: training diverged, prune an earlier state")
            if numbers.size:
                # From the tensor's own first number on: its groups are few among all.
                first = numbers.min()
                found = np.bincount(numbers - first, weights)
                total[first : first + found.size] += found.astype(total.dtype)
        return total


def numbered(parts: Mapping[str, tuple[Tensor, Tensor, str]]) -> Groups:
    """Groups from each tensor's own numbers, made to follow each other unit by unit.

    parts: name -> (rows, columns, unit); tensors of a unit share their numbers.
    """
    first: dict[str, int] = {}
    ends: dict[str, int] = {}
    for rows, columns, unit in parts.values():
        ends[unit] = max(ends.get(unit, 0), int(rows.max() + columns.max()) + 1)
    total = 0
    for unit, end in ends.items():
        first[unit], total = total, total + end
    return Groups({name: Split(rows + first[unit], columns, unit) for name, (rows, columns, unit) in parts.items()})


def along(shape: tuple[int, ...], axis: int, numbers: Tensor) -> tuple[Tensor, Tensor]:
    """(rows, columns) of groups along one axis: 0, a number for each output; 1, one for each input."""
    rows, columns = as_matrix(shape)
    if axis == 0:
        return numbers.long(), torch.zeros(columns, dtype=torch.long)
    taps = columns // len(numbers)
    return torch.zeros(rows, dtype=torch.long), numbers.long().repeat_interleave(taps)
