"""Whole layers: residual blocks that add a constant, which the layer before them can add."""

import torch
from torch import Tensor, nn

# The parts of a pre-norm residual block, in the order of their sums, and the layer that ends each.
BRANCHES = {"feed_forward_macaron": "w_2", "self_attn": "linear_out", "src_attn": "linear_out", "feed_forward": "w_2"}
OTHERS = {"norm1", "norm2", "norm3", "norm_ff", "norm_mha", "norm_ff_macaron", "dropout"}
# Positional encodings that compute xscale * x + something.
SCALING = ("PositionalEncoding", "RelPositionalEncoding", "LegacyRelPositionalEncoding")


def constant(block: nn.Module) -> Tensor | None:
    """What a block adds to each frame, where it adds the same to all; None where it does more.

    A block with parts that are not known here does more, and so does one that ends in a layer norm
    (``norm_final`` of the Conformer and its kin): what it adds goes through the norm.
    """
    if not _is_residual(block) or any(bool((last.weight != 0).any()) for last, _ in _ends(block)):
        return None
    return sum(scale * last.bias.detach() for last, scale in _ends(block))


def is_empty(block: nn.Module) -> bool:
    """Whether all matrices and filters of a block are zero."""
    return not any(bool((value != 0).any()) for value in block.parameters() if value.dim() > 1)


def remove(stack: nn.Sequential | nn.ModuleList, embed: nn.Module | None) -> list[int]:
    """Remove the blocks that add a constant; their numbers. One block always stays.

    The nearest block before adds the constant from then on, or else ``embed``, the input of the first block;
    where that cannot be done exactly, the block stays.
    """
    gone: list[int] = []
    taker: nn.Module | None = None
    for number, block in enumerate(stack):
        added = constant(block)
        last = number == len(stack) - 1 and len(gone) == number
        if added is not None and not last and (_add(taker, added) if taker is not None else _add_input(embed, added)):
            gone.append(number)
        else:
            taker = block
    for number in reversed(gone):
        del stack[number]
    return gone


def _is_residual(block: nn.Module) -> bool:
    parts = {name for name, _ in block.named_children()}
    return (parts <= BRANCHES.keys() | OTHERS and "feed_forward" in parts and getattr(block, "normalize_before", False)
            and not getattr(block, "concat_after", False) and all(last.bias is not None for last, _ in _ends(block)))


def _ends(block: nn.Module) -> list[tuple[nn.Linear, float]]:
    """The layers that end a block's branches, with the factor of each branch."""
    found = []
    for part, end in BRANCHES.items():
        branch = getattr(block, part, None)
        if branch is not None:
            scale = getattr(block, "ff_scale", 1.0) if part.startswith("feed_forward") else 1.0
            found.append((getattr(branch, end), scale))
    return found


@torch.no_grad()
def _add(block: nn.Module, value: Tensor) -> bool:
    if not _is_residual(block):
        return False
    last, scale = _ends(block)[-1]
    last.bias += value / scale
    return True


@torch.no_grad()
def _add_input(embed: nn.Module | None, value: Tensor) -> bool:
    parts = [part for part in (embed.children() if embed is not None else ()) if not isinstance(part, nn.Dropout)]
    if len(parts) < 2 or type(parts[-1]).__name__ not in SCALING:
        return False
    value, layer = value / parts[-1].xscale, parts[-2]
    if isinstance(layer, nn.Embedding):
        layer.weight += value
    elif isinstance(layer, nn.Linear | nn.LayerNorm) and layer.bias is not None:
        layer.bias += value
    else:
        return False
    return True
