"""What two tickets have in common, and what training did to the signs of one."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask


@dataclass(frozen=True)
class Overlap:
    """The weights of one tensor, or of all (``name`` None), in two masks.

    numel: all weights; first, second: those that remain in each mask; both: in both of them.
    by_chance: the number expected in both of two masks with the same densities, tensor by tensor, that have
    nothing to do with each other.
    """

    name: str | None
    numel: int
    first: int
    second: int
    both: int
    by_chance: float

    @property
    def jaccard(self) -> float:
        """Remaining in both over remaining in either; 1 when nothing remains in either."""
        return _ratio(self.both, self.first + self.second - self.both)

    @property
    def jaccard_by_chance(self) -> float:
        """The same of what is expected by chance."""
        return _ratio(self.by_chance, self.first + self.second - self.by_chance)

    @property
    def above_chance(self) -> float:
        """0: as by chance, 1: the most that the densities allow, negative: less than by chance."""
        most = min(self.first, self.second)
        return (self.both - self.by_chance) / (most - self.by_chance) if most > self.by_chance else 0.0


def shared(first: Mask, second: Mask) -> tuple[Mask, Mask]:
    """The masks on the tensors that both have in the same shape: what two backbones or vocabularies share.

    Raises LotteryError when there are none.
    """
    names = [name for name in first if name in second and first[name].shape == second[name].shape]
    if not names:
        raise LotteryError("the masks have no tensor of one name and shape in common: compare other networks")
    return Mask({name: first[name] for name in names}), Mask({name: second[name] for name in names})


def overlap(first: Mask, second: Mask) -> tuple[Overlap, list[Overlap]]:
    """Of all weights together, and of each tensor in network order.

    Raises LotteryError when the masks are of different networks or scopes.
    """
    for name in [*first, *second]:
        if name not in first or name not in second:
            raise LotteryError(f"{name}: only in one of the masks: compare masks of the same scope, or the tensors "
                               "that they share (--shared true)")
        if first[name].shape != second[name].shape:
            raise LotteryError(f"{name}: {list(first[name].shape)} in one mask, {list(second[name].shape)} in the "
                               "other: compare masks of one network, or the tensors that they share (--shared true)")
    tensors = []
    for name, mask in first.items():
        a, b, numel = first.kept_per_tensor[name], second.kept_per_tensor[name], mask.numel()
        both = int(torch.count_nonzero(mask & second[name]))
        tensors.append(Overlap(name, numel, a, b, both, a * b / numel))
    sums = [sum(getattr(one, key) for one in tensors) for key in ("numel", "first", "second", "both", "by_chance")]
    return Overlap(None, *sums), tensors


def sign_changes(mask: Mask, before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> dict[str, tuple[int, int]]:
    """Name -> (weights that remain and changed sign, weights that remain).

    A weight that becomes zero, or leaves it, has changed. Signs of initial weights are what matters of them
    according to Zhou et al., Deconstructing Lottery Tickets, NeurIPS 2019.
    """
    mask.validate(before)
    mask.validate(after)
    return {name: (int(torch.count_nonzero((before[name].sign() != after[name].sign()) & kept)),
                   mask.kept_per_tensor[name]) for name, kept in mask.items()}


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 1.0
