"""Stop a round early: the next mask is drawn after a given part of the training."""

from dataclasses import dataclass

from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask
from audio_lottery.search.base import stops
from audio_lottery.search.span import Length, Span


@stops.register("early")
@dataclass(frozen=True)
class Early:
    """after: the part of the training, in whole epochs (a fraction is rounded up)."""

    after: float | str = 0.25
    window = 0

    def __post_init__(self) -> None:
        if Span.parse(self.after, "stop_conf: after").unit == "it":
            raise LotteryError(f"stop_conf: after: {self.after}: rounds stop at the end of an epoch: write a fraction "
                               "of the run, or 2ep")

    def check(self, length: Length) -> None:
        """At least an epoch, and less than the whole run."""
        epochs = Span.parse(self.after, "stop_conf: after").epochs(length)
        if not 1 <= epochs < length.epochs:
            raise LotteryError(f"stop_conf: after: {self.after} is {epochs} of {length.epochs} epochs: take 1ep to "
                               f"{length.epochs - 1}ep, or leave stop out")

    def reached(self, epoch: int, length: Length, drawn: list[Mask]) -> bool:
        """From that epoch on."""
        return epoch >= Span.parse(self.after, "stop_conf: after").epochs(length)
