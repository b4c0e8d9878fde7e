"""Global: one threshold over all weights that remain (Frankle & Carbin, ICLR 2019, section 3)."""

from dataclasses import dataclass

from audio_lottery.allocation.base import Allocation, Budget, Request, allocations


@allocations.register("global")
@dataclass(frozen=True)
class Global(Allocation):
    """No options."""

    def __call__(self, request: Request) -> list[Budget]:
        """One budget."""
        return [Budget(tuple(request.mask), request.count)]
