"""N:M: of every M consecutive inputs of an output, N remain.

Zhou et al., Learning N:M Fine-grained Structured Sparse Neural Networks From Scratch, ICLR 2021; 2:4 is
what Nvidia's sparse tensor cores compute (Mishra et al., Accelerating Sparse Deep Neural Networks, 2021).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import torch
from torch import Tensor

from audio_lottery.errors import LotteryError
from audio_lottery.granularity.base import Granularity, Shapes, as_matrix
from audio_lottery.selection import Scores

# How far a density may be from k/M where that is no decimal fraction: people write a third as 0.3333.
ROUNDED = Fraction(1, 10_000)


@dataclass(frozen=True)
class NofM:
    """Rounds go down k:M, with k from M - 1 to N; a last group of m < M inputs keeps ceil(k m / M)."""

    shapes: Shapes
    n: int
    m: int
    exact = False

    @property
    def names(self) -> tuple[str, ...]:
        """All tensors."""
        return tuple(self.shapes)

    @property
    def units(self) -> tuple[tuple[str, ...], ...]:
        """Each tensor by itself."""
        return tuple((name,) for name in self.shapes)

    def slack(self) -> int:
        """One weight for each group that is smaller than M, and what a density such as 0.3333 is off by."""
        sides = [as_matrix(shape) for shape in self.shapes.values()]
        numel = sum(rows * columns for rows, columns in sides)
        return sum(rows for rows, columns in sides if columns % self.m) + ceil(_tolerance(self.m) * numel)

    def select(self, scores: Mapping[str, Scores], count: int, within: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Of every group the k highest remain, with the k that ``count`` means.

        Raises LotteryError when it means none from N to M - 1.
        """
        left = sum(int(within[name].sum()) for name in scores) - count
        sizes = {k: sum(self._kept(name, k) for name in scores) for k in range(self.n, self.m + 1)}
        k = min(sizes, key=lambda one: abs(sizes[one] - left))
        if abs(sizes[k] - left) > self.slack():
            numel = sum(torch.Size(self.shapes[name]).numel() for name in scores)
            raise LotteryError(f"granularity: {self.n}:{self.m} cannot give density {left / numel:.4f}: the nearest "
                               f"that it can is {k / self.m:g}")
        return {name: self._select(name, score, k, within[name]) for name, score in scores.items()}

    def broken(self, mask: Mapping[str, Tensor]) -> list[str]:
        """Tensors with groups that keep fewer or more than the others of their size."""
        return [name for name in mask if not any(self._is(name, mask[name], k) for k in range(self.n, self.m + 1))]

    def _is(self, name: str, mask: Tensor, k: int) -> bool:
        groups, widths = self._groups(name, mask, False)
        return bool((groups.sum(-1) == _keep(widths, k, self.m)).all())

    def _kept(self, name: str, k: int) -> int:
        rows, columns = as_matrix(self.shapes[name])
        whole, rest = divmod(columns, self.m)
        return rows * (whole * k + -(-k * rest // self.m))

    def _select(self, name: str, score: Scores, k: int, within: Tensor) -> Tensor:
        values = (score if isinstance(score, Tensor) else score()).detach().cpu().double()
        if bool((values.isnan() & within.cpu()).any()):
            raise LotteryError(f"{name}: NaN among its scores: training diverged, prune an earlier state")
        # What is pruned already goes first, then the lowest; what only fills up a group goes last of all.
        values = values.masked_fill(~within.cpu(), float("-inf"))
        groups, widths = self._groups(name, values, float("inf"))
        order = groups.argsort(dim=-1, stable=True)
        ranks = torch.empty_like(order).scatter_(-1, order, torch.arange(self.m).expand_as(order).contiguous())
        kept = ranks >= (widths - _keep(widths, k, self.m)).unsqueeze(-1)
        rows, columns = as_matrix(self.shapes[name])
        return kept.reshape(rows, -1)[:, :columns].reshape(within.shape).to(within.device) & within

    def _groups(self, name: str, values: Tensor, fill: float) -> tuple[Tensor, Tensor]:
        """[rows, groups, M], filled up, and the groups' widths [groups]."""
        rows, columns = as_matrix(self.shapes[name])
        number = -(-columns // self.m)
        padded = torch.full((rows, number * self.m), fill, dtype=values.dtype)
        padded[:, :columns] = values.reshape(rows, columns)
        widths = torch.full((number,), self.m)
        widths[-1] = columns - (number - 1) * self.m
        return padded.view(rows, number, self.m), widths


def _keep(widths: Tensor, k: int, m: int) -> Tensor:
    return -(-k * widths // m)


def _tolerance(m: int) -> Fraction:
    return ROUNDED if 10**6 % m else Fraction(0)


def n_of_m(n: int, m: int) -> Granularity:
    """N of M inputs remain. Raises LotteryError unless 0 < n < m."""
    if not 0 < n < m:
        raise LotteryError(f"granularity: {n}:{m} keeps all or nothing: take {max(1, min(n, m - 1))}:{max(m, 2)}")
    return Granularity(f"{n}:{m}", lambda shapes, network: NofM(dict(shapes), n, m))


def check_density(text: str, density: Fraction) -> None:
    """Raise LotteryError unless N:M (``text``) passes through this density on its way down."""
    n, m = map(int, text.split(":"))
    nearest = min(range(n, m), key=lambda k: abs(Fraction(k, m) - density))
    if abs(Fraction(nearest, m) - density) > _tolerance(m):
        raise LotteryError(f"granularity: {text} cannot give density {float(density):.4f}: the nearest that it can is "
                           f"{nearest / m:g} (schedule: densities or one_shot sets it)")
