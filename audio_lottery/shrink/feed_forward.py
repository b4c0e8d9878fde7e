"""Channels of position-wise feed-forward modules (parts ``w_1`` and ``w_2``, as ESPnet's)."""

import torch
from torch import Tensor, nn

from audio_lottery.shrink.tensors import bias_of, constant_outputs, silent_inputs, take_inputs, take_outputs

name = "ffn_channel"


def fits(module: nn.Module) -> bool:
    """Whether this is such a module."""
    first, second = getattr(module, "w_1", None), getattr(module, "w_2", None)
    return (isinstance(first, nn.Linear | nn.Conv1d) and isinstance(second, nn.Linear | nn.Conv1d)
            and second.weight.shape[1] == first.weight.shape[0])


def size(module: nn.Module) -> int:
    """Channels between the two layers."""
    return module.w_1.weight.shape[0]


@torch.no_grad()
def fold(module: nn.Module) -> Tensor:
    """[channels] bool: those that do anything, once constant ones are part of the second layer's bias.

    A channel without weights in the first layer is act(bias), so it adds w_2[:, c] act(bias) everywhere.
    With a kernel in the second layer it would add less at the edges: it stays.
    """
    silent = silent_inputs(module.w_2)
    constant = constant_outputs(module.w_1) & ~silent
    if bool(constant.any()) and isinstance(module.w_2, nn.Linear) and isinstance(
            getattr(module, "activation", None), nn.Module) and module.w_2.bias is not None:
        module.w_2.bias += module.w_2.weight[:, constant] @ module.activation(bias_of(module.w_1))[constant]
        module.w_2.weight[:, constant] = 0
        silent |= constant
    return ~silent


def cut(module: nn.Module, kept: Tensor, channels: int) -> None:
    """Keep the channels ``kept``, then ones of zeros up to ``channels``."""
    take_outputs(module.w_1, kept, channels)
    take_inputs(module.w_2, kept, channels)
