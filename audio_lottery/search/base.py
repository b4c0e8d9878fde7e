"""What searches within a training run share: their types and their registries."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from audio_lottery.mask import Mask
from audio_lottery.registry import Registry
from audio_lottery.search.span import Length

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Job:
    """A training run that finds masks.

    whole: the mask that keeps all. targets: round -> weights that its mask is to keep, falling.
    draw: (weights to keep, mask, weights, round, criterion or None for the search's own) -> a smaller mask.
    """

    whole: Mask
    targets: Mapping[int, int]
    length: Length
    draw: Callable[[int, Mask, Tensors, int, str | None], Mask]
    seed: int = 0


class Course(Protocol):
    """A method bound to a run. Depends on the step alone, so that a killed run goes on as it would have.

    mask: at the run's start. last: the optimiser step after which the mask changes for the last time.
    wants_gradient: whether a change looks at the gradient of all weights, pruned ones too.
    """

    mask: Mask
    last: int
    wants_gradient: bool

    def due(self, step: int) -> bool:
        """Whether the mask changes after this optimiser step (1, 2, ...)."""

    def change(self, step: int, mask: Mask, weights: Tensors, gradient: Tensors) -> tuple[Mask, dict[int, Mask]]:
        """The mask from this step on, and those of rounds that are found at it."""


class Within(Protocol):
    """A method, a dataclass whose fields are ``within_conf``.

    retrain: whether one run finds the masks of all rounds, which are then trained as tickets; otherwise
        each round is a run of its own, that ends with its mask.
    """

    retrain: bool

    def check(self, config: object) -> None:
        """Raise LotteryError unless it can do what the rest of the lottery configuration says."""

    def course(self, job: Job) -> Course:
        """Bind it; raises LotteryError when it doesn't fit the run."""


class Stop(Protocol):
    """When a round's training has told enough for the next mask. A dataclass whose fields are ``stop_conf``.

    window: number of masks, of the last epochs, that it looks at.
    """

    window: int

    def check(self, length: Length) -> None:
        """Raise LotteryError when it doesn't fit the run."""

    def reached(self, epoch: int, length: Length, drawn: list[Mask]) -> bool:
        """Whether to stop after this epoch; drawn: the masks of the last epochs, the newest last."""


withins: Registry[type[Within]] = Registry("within")
stops: Registry[type[Stop]] = Registry("stop")
