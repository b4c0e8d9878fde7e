"""Uniform: every tensor has the same density (Zhu & Gupta, To Prune or Not to Prune, 2017)."""

from dataclasses import dataclass

from audio_lottery.allocation.base import Allocation, Budget, Request, allocations, share


@allocations.register("uniform")
@dataclass(frozen=True)
class Uniform(Allocation):
    """No options."""

    def __call__(self, request: Request) -> list[Budget]:
        """What is to remain is shared by the tensors' sizes; one already sparser stays as it is."""
        return request.budgets(share(request.keep, request.sizes, request.mask.kept_per_tensor))
