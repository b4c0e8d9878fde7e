"""What the processes (ranks) of a distributed training agree on; without torch.distributed all of it does nothing.

A mask is made once, by rank 0, and sent to the others; that all of them train the same ticket is proved by
digests, since nothing else would tell: DistributedDataParallel averages gradients and never looks at weights.
"""

import hashlib
import json
from collections.abc import Mapping
from math import prod

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from audio_lottery import snapshot
from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask
from audio_lottery.maskfile import pack


def active() -> bool:
    """Whether this process is one of several that train together."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def is_main() -> bool:
    """Whether this process writes files: rank 0, or the only one."""
    return not active() or dist.get_rank() == 0


def leave() -> None:
    """End the group once all are here: a rank that exits inside it may abort at its end (gloo's threads outlive it)."""
    if dist.is_available() and dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def shared_mask(mask: Mask | None) -> Mask:
    """The mask of rank 0, everywhere; ``mask`` of the other ranks doesn't count."""
    if not active():
        return mask
    shapes = {name: list(tensor.shape) for name, tensor in mask.items()} if is_main() else None
    shapes = json.loads(bytes(_sent(None if shapes is None else json.dumps(shapes).encode())))
    found = {}
    for name, shape in shapes.items():
        bits = _sent(pack(mask[name]).tobytes() if is_main() else None)
        found[name] = torch.from_numpy(np.unpackbits(bits, count=prod(shape)).view(np.bool_)).reshape(shape)
    return mask if is_main() else Mask(found)


@torch.no_grad()
def share_weights(model: nn.Module) -> None:
    """Give all parameters and buffers the values that they have in rank 0."""
    if active():
        for value in model.state_dict().values():
            sent = value.detach().to(_device()).contiguous()
            dist.broadcast(sent, 0)
            value.copy_(sent)


def sum_(tensors: Mapping[str, Tensor]) -> None:
    """Replace tensors, the same names in each rank, by their sums over ranks, the same bits everywhere."""
    if active():
        for name in sorted(tensors):
            value = tensors[name].to(_device()).contiguous()
            dist.all_reduce(value)
            tensors[name].copy_(value)


def weights_digest(model: nn.Module) -> str:
    """SHA-256 over all parameters. Buffers are left out: batch norms keep the statistics of a rank's own batches."""
    each = snapshot.digests(dict(model.named_parameters()))
    return hashlib.sha256(json.dumps(sorted(each.items())).encode()).hexdigest()


def prove(where: str, **digests: str) -> None:
    """Raise LotteryError, in every rank, unless all have the same digests (SHA-256, as hex) of what is named.

    All ranks must call it, with the same names.
    """
    if not active():
        return
    for what, digest in sorted(digests.items()):
        own = torch.frombuffer(bytearray.fromhex(digest), dtype=torch.uint8).to(_device())
        each = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(each, own)
        others = [str(rank) for rank, one in enumerate(each) if not torch.equal(one, each[0])]
        if others:
            raise LotteryError(f"{where}: the {what} of rank {', '.join(others)} are not those of rank 0 "
                               f"({len(each)} ranks): check that machine, then start the search again")


def _sent(data: bytes | None) -> np.ndarray:
    """The bytes that rank 0 gives, uint8."""
    size = torch.tensor([0 if data is None else len(data)], device=_device())
    dist.broadcast(size, 0)
    sent = torch.empty(int(size), dtype=torch.uint8, device=_device())
    if data is not None:
        sent.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
    dist.broadcast(sent, 0)
    return sent.cpu().numpy()


def _device() -> torch.device:
    """Where tensors must be to be sent: NCCL sends between GPUs only."""
    return torch.device("cuda", torch.cuda.current_device()) if dist.get_backend() == "nccl" else torch.device("cpu")
