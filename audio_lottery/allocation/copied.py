"""Copied: the densities of another ticket, tensor by tensor.

With random scores this is the control that separates where the weights are (layer densities) from which
they are: the layerwise shuffle of Frankle et al., Pruning Neural Networks at Initialization: Why Are We
Missing the Mark?, ICLR 2021.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audio_lottery.allocation.base import Allocation, Budget, Request, allocations, share
from audio_lottery.errors import LotteryError
from audio_lottery.gates import part
from audio_lottery.mask import Mask


@allocations.register("copied")
@dataclass(frozen=True)
class Copied(Allocation):
    """mask: a mask file, or the folder of a search, whose mask of the same round is taken."""

    mask: str = ""

    def __post_init__(self) -> None:
        if not self.mask:
            raise LotteryError("allocation_conf: mask is missing: name a mask file or a search's folder (exp/<tag>)")

    def check(self, sizes: Mapping[str, int], kept: Sequence[int]) -> None:
        """The other mask, or those of all rounds, are there and have these tensors."""
        for number in range(1, len(kept) + 1):
            self._copied(number, list(sizes))

    def __call__(self, request: Request) -> list[Budget]:
        """What is to remain is shared as in the other mask: equal to it where its total is equal."""
        copied = self._copied(request.number, list(request.mask))
        return request.budgets(share(request.keep, copied, request.mask.kept_per_tensor))

    def _copied(self, number: int, names: Sequence[str]) -> dict[str, int]:
        path = Path(self.mask)
        path = path / "masks" / f"round_{number:02d}.safetensors" if path.is_dir() else path
        other = Mask.load(path)
        try:
            return {name: int(part(other, name).sum()) for name in names}
        except KeyError as error:
            raise LotteryError(f"{path}: {error.args[0]} is not in this mask: copy from a mask of the same scope"
                               ) from None
