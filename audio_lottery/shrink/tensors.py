"""Parts of tensors and layers, taken in place."""

import torch
from torch import Tensor, nn


def take(tensor: Tensor, axis: int, index: Tensor, size: int) -> nn.Parameter:
    """The entries ``index`` of an axis, then zeros up to ``size``, as a parameter like the tensor."""
    shape = list(tensor.shape)
    shape[axis] = size - len(index)
    kept = torch.cat([tensor.detach().index_select(axis, index), tensor.new_zeros(shape)], axis)
    return nn.Parameter(kept, requires_grad=tensor.requires_grad)


def take_outputs(layer: nn.Linear | nn.Conv1d, index: Tensor, size: int) -> None:
    """Keep these outputs of a layer, then zero ones up to ``size``."""
    layer.weight = take(layer.weight, 0, index, size)
    if layer.bias is not None:
        layer.bias = take(layer.bias, 0, index, size)
    setattr(layer, "out_features" if isinstance(layer, nn.Linear) else "out_channels", size)


def take_inputs(layer: nn.Linear | nn.Conv1d, index: Tensor, size: int) -> None:
    """Keep these inputs of a layer, then inputs of weight zero up to ``size``."""
    layer.weight = take(layer.weight, 1, index, size)
    setattr(layer, "in_features" if isinstance(layer, nn.Linear) else "in_channels", size)


def silent_inputs(layer: nn.Linear | nn.Conv1d) -> Tensor:
    """[inputs] bool: those whose weights are all zero."""
    return ~(layer.weight != 0).transpose(0, 1).flatten(1).any(1)


def constant_outputs(layer: nn.Linear | nn.Conv1d) -> Tensor:
    """[outputs] bool: those that are their bias whatever comes in (also at the edges: padding is zero too)."""
    return ~(layer.weight != 0).flatten(1).any(1)


def bias_of(layer: nn.Linear | nn.Conv1d) -> Tensor:
    """The bias, or zeros."""
    return layer.weight.new_zeros(layer.weight.shape[0]) if layer.bias is None else layer.bias
