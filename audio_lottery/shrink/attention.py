"""Heads of multi-head attention (parts ``linear_q``, ``linear_k``, ``linear_v``, ``linear_out``, ``h`` heads)."""

import math

import torch
from torch import Tensor, nn

from audio_lottery.shrink.tensors import bias_of

name = "head"


def fits(module: nn.Module) -> bool:
    """Whether this is such a module."""
    return (all(isinstance(getattr(module, f"linear_{part}", None), nn.Linear) for part in ("q", "k", "v", "out"))
            and isinstance(getattr(module, "d_k", None), int)
            and isinstance(getattr(module, "h", getattr(module, "num_heads", None)), int))


def size(module: nn.Module) -> int:
    """Number of heads."""
    return getattr(module, "h", getattr(module, "num_heads", None))


@torch.no_grad()
def fold(module: nn.Module) -> Tensor:
    """[heads] bool: those that do anything, once constant ones are part of the output's bias.

    Attention weights sum to one, so a head whose value matrix is zero gives its value bias at each frame.
    """
    heads, out = size(module), module.linear_out
    columns = out.weight.view(out.weight.shape[0], heads, module.d_k)
    silent = ~(columns != 0).any(2).any(0)
    constant = ~(module.linear_v.weight != 0).view(heads, -1).any(1) & ~silent
    if bool(constant.any()) and out.bias is not None:
        values = bias_of(module.linear_v).view(heads, module.d_k)
        out.bias += torch.einsum("nhd,hd->n", columns[:, constant], values[constant])
        columns[:, constant] = 0
        silent |= constant
    return ~silent


def cut(module: nn.Module, kept: Tensor, heads: int, width: int | None = None) -> None:
    """Keep the heads ``kept``, then ones of zeros up to ``heads``.

    width: size of a head afterwards (default: as before); a wider one is filled up with zeros, and since scores
    are divided by its root, queries and position biases are multiplied by what that takes away.
    """
    width = width or module.d_k
    scale = math.sqrt(width / module.d_k)

    def spread(tensor: Tensor, size: int, factor: float = 1.0) -> nn.Parameter:
        """[old heads x size, ...] to [heads x (width, or size as it is), ...]."""
        wide = width if size == module.d_k else size
        grid = tensor.detach().reshape(-1, size, *tensor.shape[1:])
        made = grid.new_zeros(heads, wide, *tensor.shape[1:])
        made[: len(kept), :size] = grid[kept] * factor
        return nn.Parameter(made.flatten(0, 1), requires_grad=tensor.requires_grad)

    for part, factor in (("q", scale), ("k", 1.0), ("v", 1.0), ("pos", 1.0)):
        layer = getattr(module, f"linear_{part}", None)
        if layer is None:
            continue
        one = layer.out_features // size(module)
        if part == "pos" and one != module.d_k:
            factor = scale  # simplified scores: one per head, added to the product
        layer.weight = spread(layer.weight, one, factor)
        if layer.bias is not None:
            layer.bias = spread(layer.bias, one, factor)
        layer.out_features = layer.weight.shape[0]
    for part in ("pos_bias_u", "pos_bias_v"):
        if isinstance(getattr(module, part, None), nn.Parameter):
            flat = spread(getattr(module, part).flatten(), module.d_k, scale)
            setattr(module, part, nn.Parameter(flat.detach().view(heads, width)))
    out = module.linear_out
    out.weight = nn.Parameter(spread(out.weight.t(), module.d_k).detach().t().contiguous())
    out.in_features = heads * width
    module.d_k = width
    setattr(module, "h" if hasattr(module, "h") else "num_heads", heads)


def can_widen(module: nn.Module) -> bool:
    """Whether zeros in a head change nothing: not where queries and keys are normalised."""
    return not any(isinstance(getattr(module, part, None), nn.Module) and not isinstance(
        getattr(module, part), nn.Identity) for part in ("q_norm", "k_norm"))
