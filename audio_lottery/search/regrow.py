"""Dynamic sparse training: weights are dropped and others grown, the density stays (what RigL and SET share)."""

from collections.abc import Mapping

from torch import Tensor

from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask
from audio_lottery.search.base import Job
from audio_lottery.search.span import Span
from audio_lottery.selection import remaining


def drop_and_grow(mask: Tensor, weight: Tensor, score: Tensor, count: int) -> Tensor:
    """The mask of one tensor after ``count`` weights of smallest magnitude went and those of largest score came.

    mask, weight, score: of one shape. Weights that were just dropped may come back, and then keep their
    value (as in RigL's public code). Of equal ones the first go, and the last come.
    """
    left = remaining({"": weight.abs()}, count, {"": mask})[""]
    out = ~left
    return left | remaining({"": score}, int(out.sum()) - count, {"": out})[""]


def check(config, name: str) -> None:
    """Refuse what dynamic sparse training has no place for."""
    if config.granularity != "weight":
        raise LotteryError(f"granularity: {config.granularity} with within: {name}, which drops and grows single "
                           "weights: take granularity: weight")
    if config.criterion != "magnitude":
        raise LotteryError(f"criterion: {config.criterion} with within: {name} would do nothing: it drops by "
                           "magnitude: take criterion: magnitude")


def fraction_option(value: object, what: str) -> None:
    """Refuse an option that is not a fraction between 0 and 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise LotteryError(f"within_conf: {what}: {value!r} is out of range: give a fraction between 0 and 1, like 0.3")


class Regrowing:
    """A course: every ``every`` steps, before ``end``, a part of each tensor's weights is dropped, others grown.

    method: has ``fraction(step, end)`` of the remaining weights that move, and ``score(name, seed, weights,
    gradient)`` of those that may come; the seed is another at each step.
    """

    def __init__(self, job: Job, method, every: object, end: object, wants_gradient: bool):
        self.every = Span.parse(every, "within_conf: every").interval(job.length)
        self.end = Span.parse(end, "within_conf: end").steps(job.length)
        self.wants_gradient, self._method, self._seed = wants_gradient, method, job.seed
        if not 1 <= self.every < self.end:
            raise LotteryError(f"within_conf: every: {every} is {self.every} steps, and the mask may change until step "
                               f"{self.end} (end: {end}) of {job.length.steps}: take every: 1it to {self.end - 1}it")
        if self.end > job.length.steps:
            raise LotteryError(f"within_conf: end: {end} is step {self.end}, the run has {job.length.steps}: take an "
                               f"end of at most {job.length.steps}it")
        self.last = (self.end - 1) // self.every * self.every
        (number, keep), = job.targets.items()
        self.mask = job.draw(keep, job.whole, {name: mask.float() for name, mask in job.whole.items()}, number,
                             "random")

    def due(self, step: int) -> bool:
        """At every n-th step before end."""
        return step % self.every == 0 and step < self.end

    def change(self, step: int, mask: Mask, weights: Mapping[str, Tensor], gradient: Mapping[str, Tensor],
               ) -> tuple[Mask, dict[int, Mask]]:
        """Tensor by tensor, so that each keeps its density."""
        share, seed = self._method.fraction(step, self.end), self._seed + 1_000_003 * step
        return Mask({name: drop_and_grow(one, weights[name].detach(),
                                         self._method.score(name, seed, weights, gradient),
                                         int(share * mask.kept_per_tensor[name]))
                     for name, one in mask.items()}), {}
