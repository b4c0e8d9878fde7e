"""Kept weights (theta0, thetak): a whole state dict in safetensors, and digests of its tensors."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import atomic_path

DIGEST = "digest"  # of all tensors, in a file's metadata


def save(path: str | Path, state: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write every tensor of a state dict, bit for bit; shared tensors are written under each name.

    A digest of all is kept beside them: safetensors has none, and a flipped bit would be trained from.
    """
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata={**metadata, DIGEST: _digest(tensors)})


def load(path: str | Path) -> dict[str, torch.Tensor]:
    """Read the tensors back; a missing or damaged file is a :class:`LotteryError` naming it."""
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}
            digest = (file.metadata() or {}).get(DIGEST)
    except FileNotFoundError:
        raise LotteryError(f"{path}: not found: keep the initial weights beside the rounds") from None
    except SafetensorError as error:
        raise LotteryError(f"{path}: damaged ({error}): restore it or start the search anew") from None
    if digest is not None and digest != _digest(state):  # files of other programs have none
        raise LotteryError(f"{path}: damaged (its digest is another): restore it or start the search anew")
    return state


def metadata(path: str | Path) -> dict[str, str]:
    """The text metadata of a safetensors file."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: value for key, value in (file.metadata() or {}).items() if key != DIGEST}
    except (FileNotFoundError, SafetensorError) as error:
        raise LotteryError(f"{path}: cannot be read ({error}): restore it") from None


def load_into(model: torch.nn.Module, path: str | Path) -> None:
    """Set all parameters and buffers of ``model`` to the kept ones; names and shapes must be the same."""
    state, own = load(path), model.state_dict()
    for name in sorted(own.keys() ^ state.keys()):
        side = "the model" if name in own else path
        raise LotteryError(f"{path}: tensor {name} is only in {side}: the architectures differ")
    for name, tensor in own.items():
        if tensor.shape != state[name].shape:
            raise LotteryError(f"{path}: tensor {name} is {tuple(state[name].shape)}, the model's is "
                               f"{tuple(tensor.shape)}: the architectures differ")
    model.load_state_dict(state)


def tensor_digest(tensor: torch.Tensor) -> str:
    """SHA-256 over dtype, shape and the raw bytes, so that equal digests mean equal bit for bit."""
    value = tensor.detach().cpu().contiguous()
    digest = hashlib.sha256(f"{value.dtype}{tuple(value.shape)}".encode())
    # A view as bytes: numpy has no bfloat16, and -0.0 must differ from 0.0.
    digest.update(np.ascontiguousarray(value.reshape(-1).view(torch.uint8).numpy()))
    return digest.hexdigest()


def _digest(state: Mapping[str, torch.Tensor]) -> str:
    lines = "".join(f"{name}\0{tensor_digest(state[name])}\0" for name in sorted(state))
    return hashlib.sha256(lines.encode()).hexdigest()


def digests(state: Mapping[str, torch.Tensor]) -> dict[str, str]:
    """Digest of every tensor of a state dict."""
    return {name: tensor_digest(value) for name, value in state.items()}
