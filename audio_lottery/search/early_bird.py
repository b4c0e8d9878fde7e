"""Early-bird tickets (You et al., Drawing Early-Bird Tickets, ICLR 2020): stop when the mask has settled.

At the end of each epoch the mask is drawn that the round would end with. It has settled when the newest one
is less than ``threshold`` away from each other one of the last ``window`` epochs; the distance is the
fraction of the weights in scope that one keeps and the other doesn't (normalised Hamming distance).
"""

from dataclasses import dataclass

from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask
from audio_lottery.search.base import stops
from audio_lottery.search.span import Length


def distance(one: Mask, other: Mask) -> float:
    """Normalised Hamming distance of two masks of the same model, in [0, 1]."""
    other.validate(one)
    return sum(int((mask ^ other[name]).sum()) for name, mask in one.items()) / one.numel


@stops.register("early_bird")
@dataclass(frozen=True)
class EarlyBird:
    """window: epochs whose masks are compared; threshold: the distance below which they have settled."""

    window: int = 5
    threshold: float = 0.1

    def __post_init__(self) -> None:
        if type(self.window) is not int or self.window < 2:
            raise LotteryError(f"stop_conf: window: {self.window!r}: give at least 2 epochs, whose masks are compared")
        number = isinstance(self.threshold, int | float) and not isinstance(self.threshold, bool)
        if not number or not 0 < self.threshold < 1:
            raise LotteryError(f"stop_conf: threshold: {self.threshold!r} is out of range: give a fraction between 0 "
                               "and 1, like 0.1")

    def check(self, length: Length) -> None:
        """The window is shorter than the run."""
        if self.window >= length.epochs:
            raise LotteryError(f"stop_conf: window: {self.window} epochs, of a training of {length.epochs}: take at "
                               f"most {length.epochs - 1}")

    def reached(self, epoch: int, length: Length, drawn: list[Mask]) -> bool:
        """Whether the newest mask is near all others of a full window."""
        *others, newest = drawn
        return len(drawn) == self.window and all(distance(newest, other) < self.threshold for other in others)
