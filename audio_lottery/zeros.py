"""Densities counted from the weights themselves, never computed from a schedule."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Counts:
    """Weights of a model: all its parameters, those in scope, and the non-zero ones of these."""

    numel_whole: int
    numel_scope: int
    kept_scope: int

    @property
    def nonzero_whole(self) -> int:
        """Parameters that remain in the whole model: all but the zeros in scope."""
        return self.numel_whole - self.numel_scope + self.kept_scope

    @property
    def density_scope(self) -> float:
        """Remaining weights over all weights, in scope."""
        return self.kept_scope / max(self.numel_scope, 1)

    @property
    def density_whole(self) -> float:
        """Remaining parameters over all parameters of the model."""
        return self.nonzero_whole / max(self.numel_whole, 1)


def count(parameters: Mapping[str, torch.Tensor], scope: Collection[str]) -> Counts:
    """Count the non-zero weights of the tensors named in ``scope`` among all ``parameters``.

    Zeros outside the scope (fresh biases, padding embeddings) are parameters like any other.
    """
    scoped = [parameters[name] for name in scope]
    return Counts(sum(tensor.numel() for tensor in parameters.values()),
                  sum(tensor.numel() for tensor in scoped),
                  sum(int(torch.count_nonzero(tensor)) for tensor in scoped))
