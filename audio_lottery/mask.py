"""Masks: which weights remain."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from audio_lottery.errors import LotteryError


def named_tensors(model: nn.Module | Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Name -> parameter of a model (a tied one under all its names), or the mapping itself."""
    return dict(model.named_parameters(remove_duplicate=False)) if isinstance(model, nn.Module) else model


class Mask(Mapping[str, Tensor]):
    """Parameter name -> bool tensor, True where the weight remains. Never changed once made."""

    def __init__(self, tensors: Mapping[str, Tensor]):
        for name, tensor in tensors.items():
            if tensor.dtype != torch.bool:
                raise TypeError(f"{name}: a mask is bool, not {tensor.dtype}")
        self._tensors = dict(tensors)

    @classmethod
    def ones(cls, model: nn.Module | Mapping[str, Tensor], names: Iterable[str]) -> "Mask":
        """All weights of the tensors ``names`` remain. Takes no memory: one element, expanded."""
        tensors = named_tensors(model)
        one = {name: torch.ones((), dtype=torch.bool, device=tensors[name].device) for name in names}
        return cls({name: one[name].expand(tensors[name].shape) for name in one})

    def __getitem__(self, name: str) -> Tensor:
        return self._tensors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)

    def __eq__(self, other: object) -> bool:
        """Equal names, shapes and bits; the order of the tensors doesn't count."""
        if not isinstance(other, Mask):
            return NotImplemented
        return set(self) == set(other) and all(torch.equal(self[n].cpu(), other[n].cpu()) for n in self)

    __hash__ = None

    def __repr__(self) -> str:
        return f"Mask({len(self)} tensors, {self.kept} of {self.numel} weights remain)"

    @property
    def numel(self) -> int:
        """Weights in scope."""
        return sum(tensor.numel() for tensor in self.values())

    @cached_property
    def kept_per_tensor(self) -> dict[str, int]:
        """Name -> weights that remain."""
        return {name: int(torch.count_nonzero(tensor)) for name, tensor in self.items()}

    @property
    def kept(self) -> int:
        """Weights that remain."""
        return sum(self.kept_per_tensor.values())

    @property
    def density(self) -> float:
        """Fraction of the weights in scope that remain."""
        return self.kept / self.numel

    @property
    def densities(self) -> dict[str, float]:
        """Name -> fraction that remains."""
        return {name: kept / self[name].numel() for name, kept in self.kept_per_tensor.items()}

    def is_subset(self, other: "Mask") -> bool:
        """Whether every weight that remains here remains in ``other``. Both fit the same model."""
        other.validate(self)
        return all(not (mask & ~other[name]).any() for name, mask in self.items())

    def validate(self, model: nn.Module | Mapping[str, Tensor]) -> None:
        """Raise LotteryError, naming the first tensor, unless the mask fits the model."""
        tensors = named_tensors(model)
        for name, mask in self.items():
            if name not in tensors:
                raise LotteryError(f"{name}: in the mask but not in the model: use the mask of this model")
            if tensors[name].shape != mask.shape:
                raise LotteryError(
                    f"{name}: the mask has shape {list(mask.shape)} and the model "
                    f"{list(tensors[name].shape)}: use the mask of this model"
                )

    @torch.no_grad()
    def apply_(self, model: nn.Module | Mapping[str, Tensor]) -> None:
        """Set the pruned weights to +0.0 in place, whatever they are (-0.0, inf and NaN too)."""
        self.validate(model)
        tensors = named_tensors(model)
        for name, mask in self.items():
            tensors[name].masked_fill_(~mask.to(tensors[name].device), 0.0)

    @torch.no_grad()
    def violations(self, model: nn.Module | Mapping[str, Tensor]) -> dict[str, int]:
        """Name -> how many pruned weights aren't exactly zero; tensors without any are left out."""
        self.validate(model)
        tensors = named_tensors(model)
        wrong = {
            name: int(torch.count_nonzero((tensors[name] != 0) & ~mask.to(tensors[name].device)))
            for name, mask in self.items()
        }
        return {name: count for name, count in wrong.items() if count}

    def digest(self) -> str:
        """SHA-256 over names, shapes and bits, as hex; the order of the tensors doesn't count."""
        from audio_lottery.maskfile import pack

        total = hashlib.sha256()
        for name in sorted(self):
            total.update(f"{name}\0{list(self[name].shape)}\0".encode())
            total.update(pack(self[name]).data)
        return total.hexdigest()

    def save(self, path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
        """Write a bit-packed safetensors file atomically; see audio_lottery.maskfile."""
        from audio_lottery.maskfile import write

        write(path, self, metadata or {})

    @classmethod
    def load(cls, path: str | Path) -> "Mask":
        """Read what save() wrote; a missing or damaged file is a LotteryError naming it."""
        from audio_lottery.maskfile import read

        return read(path)[0]
