"""The file format of masks: bits in a safetensors file.

Each tensor is a 1-D uint8 tensor of ceil(numel / 8) bytes, row-major, most significant bit first,
the bits after the last weight zero. The safetensors metadata has one entry, ``audio_lottery``: a
JSON object with ``kind`` ("mask"), ``version`` (1), ``shapes`` (in network order), ``digest``
(Mask.digest), ``metadata`` (the writer's own strings) and ``checksum`` (SHA-256 of the JSON text
without it). One entry, because safetensors writes several in a random order: the same mask with the
same metadata always gives the same bytes.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import Tensor

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import atomic_path
from audio_lottery.mask import Mask

VERSION = 1
# What damaged or hostile bytes raise while they are read.
_BROKEN = (SafetensorError, OSError, RuntimeError, OverflowError, LookupError, AttributeError, TypeError,
           ValueError)


def pack(mask: Tensor) -> np.ndarray:
    """Bits of a bool tensor: uint8, (ceil(numel / 8),)."""
    return np.packbits(mask.cpu().reshape(-1).numpy())


def write(path: str | Path, mask: Mask, metadata: Mapping[str, str]) -> None:
    """Write ``mask`` atomically, with the caller's own strings beside it."""
    header = {
        "kind": "mask",
        "version": VERSION,
        "shapes": {name: list(tensor.shape) for name, tensor in mask.items()},
        "digest": mask.digest(),
        "metadata": dict(sorted(metadata.items())),
    }
    header["checksum"] = _checksum(header)
    with atomic_path(path) as temporary:
        packed = {name: pack(tensor) for name, tensor in mask.items()}
        save_file(packed, temporary, {"audio_lottery": json.dumps(header)})


def read(path: str | Path) -> tuple[Mask, dict[str, str]]:
    """The mask and its writer's metadata. What isn't a whole mask file is a LotteryError."""
    if not Path(path).is_file():
        raise LotteryError(f"{path}: no such mask file: check the path")
    try:
        with safe_open(path, framework="numpy") as file:
            header = _header(path, file.metadata())
            if set(file.keys()) != set(header["shapes"]):
                raise _damaged(path, "its tensors are not the ones it lists")
            tensors = {
                name: _unpack(path, name, file.get_tensor(name), shape)
                for name, shape in header["shapes"].items()
            }
    except _BROKEN as error:
        raise _damaged(path, " ".join(str(error).split())) from None
    mask = Mask(tensors)
    if mask.digest() != header["digest"]:
        raise _damaged(path, "its bits don't agree with its digest")
    return mask, header["metadata"]


def _header(path: str | Path, metadata: dict[str, str] | None) -> dict:
    header = json.loads((metadata or {}).get("audio_lottery", "{}"))
    if not isinstance(header, dict) or header.get("kind") != "mask":
        raise LotteryError(f"{path}: not a mask file of audio_lottery: give one from EXP/masks")
    if header.get("version") != VERSION:
        raise LotteryError(
            f"{path}: mask format version {header.get('version')}, this release reads {VERSION}: "
            "use the audio_lottery that wrote it"
        )
    if header.pop("checksum", None) != _checksum(header):
        raise _damaged(path, "its header doesn't agree with its checksum")
    return header


def _unpack(path: str | Path, name: str, packed: np.ndarray, shape: list[int]) -> Tensor:
    if any(type(size) is not int or size < 0 for size in shape):
        raise _damaged(path, f"{name} has shape {shape}")
    numel = math.prod(shape)
    if packed.dtype != np.uint8 or packed.shape != (-(-numel // 8),):
        raise _damaged(path, f"{name} has {packed.shape} {packed.dtype} for shape {shape}")
    bits = np.unpackbits(packed)
    if bits[numel:].any():
        raise _damaged(path, f"{name} has bits beyond its {numel} weights")
    return torch.from_numpy(bits[:numel].view(np.bool_)).reshape(shape)


def _checksum(header: dict) -> str:
    return hashlib.sha256(json.dumps(header).encode()).hexdigest()


def _damaged(path: str | Path, why: str) -> LotteryError:
    return LotteryError(f"{path}: damaged mask file ({why}): make it again or restore it")
