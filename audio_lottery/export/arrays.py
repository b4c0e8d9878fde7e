"""Tensors without torch: a name of a dtype, and a numpy array that holds the same bytes."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from audio_lottery.errors import LotteryError

# Torch's dtype names, and the numpy dtype that holds the bytes: numpy has no bfloat16 and no float8.
STORAGE = {
    "float64": "<f8",
    "float32": "<f4",
    "float16": "<f2",
    "bfloat16": "<u2",
    "float8_e4m3fn": "<u1",
    "float8_e5m2": "<u1",
    "complex64": "<c8",
    "complex128": "<c16",
    "int64": "<i8",
    "int32": "<i4",
    "int16": "<i2",
    "int8": "<i1",
    "uint64": "<u8",
    "uint32": "<u4",
    "uint16": "<u2",
    "uint8": "<u1",
    "bool": "|b1",
}


class Tensor(NamedTuple):
    """``dtype`` as torch names it; ``data`` of the storage dtype, any shape."""

    dtype: str
    data: np.ndarray


def from_any(name: str, value) -> Tensor:
    """A :class:`Tensor` from one, from a numpy array or from a torch tensor (any device)."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, np.ndarray):
        if value.dtype.name not in STORAGE:
            raise LotteryError(f"{name}: dtype {value.dtype} cannot be stored: convert the tensor")
        return Tensor(value.dtype.name, np.asarray(value, STORAGE[value.dtype.name], order="C"))
    import torch

    if not isinstance(value, torch.Tensor):
        raise LotteryError(f"{name}: {type(value).__name__} is not a tensor: remove it from the state dict")
    dtype = str(value.dtype).removeprefix("torch.")
    if dtype not in STORAGE or value.layout != torch.strided:
        raise LotteryError(
            f"{name}: dtype {value.dtype} ({value.layout}) cannot be stored: convert the tensor"
        )
    flat = value.detach().cpu().contiguous().reshape(-1)
    if dtype in ("bfloat16", "float8_e4m3fn", "float8_e5m2"):
        flat = flat.view(torch.int16 if dtype == "bfloat16" else torch.uint8)
    return Tensor(dtype, flat.numpy().view(STORAGE[dtype]).reshape(tuple(value.shape)))


def to_torch(tensors: Mapping[str, Tensor]):
    """A state dict of torch tensors with the same bytes, in the same order."""
    import torch

    def convert(tensor: Tensor):
        data = np.array(tensor.data, order="C").reshape(-1)  # torch wants memory it may write to
        if tensor.dtype == "bfloat16" or tensor.dtype.startswith("float8"):
            data = data.view(np.int16 if tensor.dtype == "bfloat16" else np.uint8)
            flat = torch.from_numpy(data).view(getattr(torch, tensor.dtype))
        else:
            flat = torch.from_numpy(data)
        return flat.reshape(tensor.data.shape)

    return {name: convert(tensor) for name, tensor in tensors.items()}
