"""Attention heads, feed-forward and convolution channels, whole layers: groups across tensors.

Heads: Michel et al., Are Sixteen Heads Really Better than One?, NeurIPS 2019. Channels: He et al., Channel
Pruning, ICCV 2017. Layers: Fan et al., LayerDrop, ICLR 2020. A head is its rows of the query, key, value
and position matrices and its columns of the output matrix; a channel is its row of one matrix and its
column of the next. Modules are known by the names of their parts (as ESPnet's), not by their class.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from audio_lottery.errors import LotteryError
from audio_lottery.granularity.base import Granularity, Shapes, granularities
from audio_lottery.granularity.groups import Groups, along, numbered

# (parameter name, axis, the number of the group of each row or column, unit)
Part = tuple[str, int, Tensor, str]


def heads(network: nn.Module) -> Iterator[Part]:
    """Of modules with ``linear_q``, ``linear_k``, ``linear_v``, ``linear_out`` and ``h`` or ``num_heads`` heads."""
    for path, module in network.named_modules():
        number = getattr(module, "h", getattr(module, "num_heads", None))
        if not isinstance(number, int) or not all(hasattr(module, f"linear_{part}") for part in ("q", "k", "v", "out")):
            continue
        for part in ("q", "k", "v", "pos", "out"):
            linear = getattr(module, f"linear_{part}", None)
            if linear is None:
                continue
            size = linear.weight.shape[1 if part == "out" else 0]
            if size % number:
                raise LotteryError(f"{path}: {size} does not divide by {number} heads: take "
                                   f"{nearest_divisor(size, number)} heads")
            yield (f"{path}.linear_{part}.weight", int(part == "out"),
                   torch.arange(number).repeat_interleave(size // number), path)


def ffn_channels(network: nn.Module) -> Iterator[Part]:
    """Of modules with ``w_1`` and ``w_2``: rows of the one, columns of the other."""
    for path, module in network.named_modules():
        first, second = getattr(module, "w_1", None), getattr(module, "w_2", None)
        if isinstance(first, nn.Module) and isinstance(second, nn.Module):
            size = first.weight.shape[0]
            if second.weight.shape[1] == size:
                yield f"{path}.w_1.weight", 0, torch.arange(size), path
                yield f"{path}.w_2.weight", 1, torch.arange(size), path


def conv_channels(network: nn.Module) -> Iterator[Part]:
    """Of the Conformer's convolution module: both GLU halves, the depthwise filter, the way out.

    A convolution outside of such a module loses its output channels alone (Li et al., ICLR 2017).
    """
    inside = set()
    for path, module in network.named_modules():
        parts = [getattr(module, name, None) for name in ("pointwise_conv1", "depthwise_conv", "pointwise_conv2")]
        if not all(isinstance(part, nn.Conv1d) for part in parts):
            continue
        size = parts[1].weight.shape[0]
        if parts[2].weight.shape[1] != size or parts[0].weight.shape[0] % size:
            continue
        halves = parts[0].weight.shape[0] // size
        yield f"{path}.pointwise_conv1.weight", 0, torch.arange(size).repeat(halves), path
        yield f"{path}.depthwise_conv.weight", 0, torch.arange(size), path
        yield f"{path}.pointwise_conv2.weight", 1, torch.arange(size), path
        inside |= {id(part) for part in parts}
    for path, module in network.named_modules():
        if isinstance(module, nn.Conv1d | nn.Conv2d) and id(module) not in inside:
            yield f"{path}.weight", 0, torch.arange(module.weight.shape[0]), path


def _register(name: str, find: Callable[[nn.Module], Iterator[Part]]) -> None:
    def bind(shapes: Shapes, network: nn.Module | None) -> Groups:
        if network is None:
            raise LotteryError(f"granularity: {name} needs the network, not a mask alone")
        found = {part[0]: part for part in find(network)}
        parts = {tensor: (*along(shape, found[tensor][1], found[tensor][2]), found[tensor][3])
                 for tensor, shape in shapes.items() if tensor in found}
        if not parts:
            raise LotteryError(f"granularity: this model has no {name} in scope: take a block such as 4x1")
        return numbered(parts)

    granularities.register(name)(Granularity(name, bind))


def layers(network: nn.Module) -> Iterator[Part]:
    """Of lists of modules that are all of one class, not torch's own (which leaves out stacks of convolutions)."""
    found: list[str] = []
    for path, module in network.named_modules():
        kinds = {type(child) for child in module.children()}
        if not isinstance(module, nn.ModuleList | nn.Sequential) or len(kinds) != 1 or path.startswith(tuple(found)):
            continue
        if next(iter(kinds)).__module__.startswith("torch.nn"):
            continue
        found.append(path + ".")
        for number, child in module.named_children():
            for name, parameter in child.named_parameters():
                if parameter.dim() > 1:
                    yield f"{path}.{number}.{name}", 0, torch.zeros(len(parameter)), f"{path}.{number}"


def nearest_divisor(size: int, number: int) -> int:
    """The divisor of ``size`` that is nearest to ``number``; of two, the smaller."""
    return min((n for n in range(1, size + 1) if size % n == 0), key=lambda n: abs(n - number))


_register("head", heads)
_register("ffn_channel", ffn_channels)
_register("conv_channel", conv_channels)
_register("layer", layers)
