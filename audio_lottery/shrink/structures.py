"""The structures of a network that can be made smaller, and how many of their units do anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType

import torch
from torch import Tensor, nn

from audio_lottery.errors import LotteryError
from audio_lottery.shrink import attention, convolution, feed_forward

# Modules with a name, fits(), size(), fold() and cut().
KINDS: tuple[ModuleType, ...] = (attention, feed_forward, convolution)


@dataclass(frozen=True)
class Structure:
    """A module of a network, its kind, and which of its units do anything: ``alive``, bool [units]."""

    path: str
    module: nn.Module
    kind: ModuleType
    alive: Tensor

    @property
    def size(self) -> int:
        """All units."""
        return len(self.alive)

    @property
    def needed(self) -> int:
        """Units to keep: those that do anything, at least one."""
        return max(int(self.alive.sum()), 1)

    def cut(self, size: int, **options: int) -> None:
        """Remove units that do nothing until ``size`` are left, in place."""
        self.kind.cut(self.module, self.alive.nonzero().flatten(), size, **options)


def structures(network: nn.Module) -> list[Structure]:
    """All of a network, in its order; what constant units add is made part of biases, in place.

    The network computes the same afterwards, in evaluation mode.
    """
    return [Structure(path, module, kind, kind.fold(module)) for path, module in network.named_modules()
            for kind in KINDS if kind.fits(module)]


def resize(network: nn.Module, sizes: Mapping[str, int]) -> nn.Module:
    """Give modules (path -> units) the sizes of a shrunk network, in place, before its weights are loaded.

    Raises LotteryError for a path or a number that the network cannot have.
    """
    modules = dict(network.named_modules())
    for path, size in sizes.items():
        kind = next((kind for kind in KINDS if path in modules and kind.fits(modules[path])), None)
        if kind is None or not isinstance(size, int) or not 0 < size <= kind.size(modules[path]):
            raise LotteryError(f"sizes: {path}: {size}: this model has no such part to shrink: restore config.yaml")
        kind.cut(modules[path], torch.arange(size), size)
    return network
