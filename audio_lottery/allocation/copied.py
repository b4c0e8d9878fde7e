"""Copied: the densities of another ticket, tensor by tensor.

With random scores this is the control that separates where the weights are (layer densities) from which
they are: the layerwise shuffle of Frankle et al., Pruning Neural Networks at Initialization: Why Are We
Missing the Mark?, ICLR 2021.
"""

from dataclasses import dataclass
from pathlib import Path

from audio_lottery.allocation.base import Budget, Request, allocations, share
from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask


@allocations.register("copied")
@dataclass(frozen=True)
class Copied:
    """mask: a mask file, or the folder of a search, whose mask of the same round is taken."""

    mask: str = ""

    def __post_init__(self) -> None:
        if not self.mask:
            raise LotteryError("allocation_conf: mask is missing: name a mask file or a search's folder (exp/<tag>)")

    def __call__(self, request: Request) -> list[Budget]:
        """What is to remain is shared as in the other mask: equal to it where its total is equal."""
        path = Path(self.mask)
        path = path / "masks" / f"round_{request.number:02d}.safetensors" if path.is_dir() else path
        other = Mask.load(path)
        for name in request.mask:
            if name not in other:
                raise LotteryError(f"{path}: {name} is not in this mask: copy from a mask of the same scope")
        copied = {name: other.kept_per_tensor[name] for name in request.mask}
        return request.budgets(share(request.keep, copied, request.mask.kept_per_tensor))
