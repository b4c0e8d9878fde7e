"""ERK: Erdős-Rényi-kernel densities (Evci et al., Rigging the Lottery, ICML 2020).

A tensor's density is proportional to the sum of its dimensions over their product, so that small and
narrow tensors stay denser; what would exceed density 1 is dense and the others share the rest.
"""

from dataclasses import dataclass

from audio_lottery.allocation.base import Allocation, Budget, Request, allocations, share


@allocations.register("erk")
@dataclass(frozen=True)
class Erk(Allocation):
    """No options."""

    def __call__(self, request: Request) -> list[Budget]:
        """Density times size: what remains is proportional to the sum of the dimensions."""
        sums = {name: sum(tensor.shape) for name, tensor in request.mask.items()}
        return request.budgets(share(request.keep, sums, request.mask.kept_per_tensor))
