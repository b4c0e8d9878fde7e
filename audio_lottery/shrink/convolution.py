"""Channels of the Conformer's convolution module (two pointwise convolutions around a depthwise one)."""

import torch
from torch import Tensor, nn

from audio_lottery.shrink.tensors import bias_of, constant_outputs, silent_inputs, take, take_inputs, take_outputs

name = "conv_channel"


def fits(module: nn.Module) -> bool:
    """Whether this is such a module; its norm must treat channels one by one, as batch norm does."""
    parts = [getattr(module, part, None) for part in ("pointwise_conv1", "depthwise_conv", "pointwise_conv2")]
    return (all(isinstance(part, nn.Conv1d) for part in parts) and isinstance(module.norm, nn.BatchNorm1d)
            and parts[0].out_channels == 2 * parts[1].out_channels and parts[1].groups == parts[1].out_channels)


def size(module: nn.Module) -> int:
    """Channels of the depthwise convolution."""
    return module.depthwise_conv.out_channels


@torch.no_grad()
def fold(module: nn.Module) -> Tensor:
    """[channels] bool: those that do anything, once constant ones are part of the last convolution's bias.

    A channel whose filter is zero is act(norm(bias)), with the norm's running statistics.
    """
    last, norm = module.pointwise_conv2, module.norm
    silent = silent_inputs(last)
    constant = constant_outputs(module.depthwise_conv) & ~silent
    if bool(constant.any()) and norm.affine and norm.track_running_stats and last.bias is not None:
        scale = norm.weight / (norm.running_var + norm.eps).sqrt()
        value = module.activation((bias_of(module.depthwise_conv) - norm.running_mean) * scale + norm.bias)
        last.bias += last.weight[:, constant, 0] @ value[constant]
        last.weight[:, constant] = 0
        silent |= constant
    return ~silent


def cut(module: nn.Module, kept: Tensor, channels: int) -> None:
    """Keep the channels ``kept``, then ones of zeros up to ``channels``."""
    before, first, depthwise, norm = size(module), module.pointwise_conv1, module.depthwise_conv, module.norm
    # The gated linear unit multiplies the first half of the channels by a function of the second.
    padding = torch.full((channels - len(kept),), 2 * before, dtype=torch.long, device=kept.device)
    both = torch.cat([kept, padding, kept + before, padding])
    _append_zero(first)
    take_outputs(first, both, 2 * channels)
    take_outputs(depthwise, kept, channels)
    depthwise.groups = depthwise.in_channels = channels
    for name in ("weight", "bias", "running_mean", "running_var"):
        if getattr(norm, name) is not None:
            value = take(getattr(norm, name), 0, kept, channels)
            setattr(norm, name, value if name in ("weight", "bias") else value.detach())
    norm.num_features = channels
    take_inputs(module.pointwise_conv2, kept, channels)


def _append_zero(layer: nn.Conv1d) -> None:
    """One more output, of zeros."""
    take_outputs(layer, torch.arange(layer.out_channels, device=layer.weight.device), layer.out_channels + 1)
