"""Masked training of any torch module, without touching its state dict.

A hook on each tensor zeroes the gradient of pruned weights as soon as it has been accumulated, so
before clipping, and under DistributedDataParallel before ranks are averaged. With zero weights,
zero gradients and a fresh (or equally masked) optimiser state, SGD and Adam-like optimisers with or
without weight decay leave pruned weights at exactly zero: nothing has to be done after a step.
"""

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from audio_lottery.mask import Mask, named_tensors

_INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}


class Handle:
    """Masked training is on until ``remove()``; a context manager does that at its end."""

    def __init__(self, handles: list[RemovableHandle]):
        self._handles = handles

    def remove(self) -> None:
        """Let gradients through again. Pruned weights keep the zeros they have."""
        for handle in self._handles:
            handle.remove()

    def __enter__(self) -> "Handle":
        return self

    def __exit__(self, *_) -> None:
        self.remove()


def attach(model: nn.Module, mask: Mask) -> Handle:
    """Zero the pruned weights of ``model`` now, and their gradients from now on.

    Attach after the model is on its device and before it is wrapped for distributed training.
    Copies of the model (deepcopy, pickle) carry the zeros but not the hooks. Frozen tensors get no
    hook: they have no gradient. Raises LotteryError when the mask doesn't fit the model.
    """
    mask.apply_(model)
    tensors = named_tensors(model)
    masks = {tensors[name]: mask[name] for name in mask if tensors[name].requires_grad}
    return Handle([p.register_post_accumulate_grad_hook(_Zero(p, mask)) for p, mask in masks.items()])


class _Zero:
    """Zeroes gradients by a bitwise AND: pruned inf and NaN become 0 too, unlike by a product.

    On a CPU it takes half to a quarter of the time of masked_fill_, and its mask a byte a weight
    (a product with a float mask is faster still, but takes four bytes).
    """

    def __init__(self, parameter: Tensor, mask: Tensor):
        self.bits = mask.to(parameter.device, torch.int8).neg_()  # True: all bits set
        self.integer = _INTEGERS[parameter.element_size()]

    def __call__(self, parameter: Tensor) -> None:
        parameter.grad.detach().view(self.integer).bitwise_and_(self.bits)
