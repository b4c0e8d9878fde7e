"""Gradual magnitude pruning within one training run (Zhu & Gupta, To prune or not to prune, ICLR 2018 workshop).

Cubic: sparsity(t) = final * (1 - (1 - (t - begin) / (end - begin))^3), their equation 1 for an initial
sparsity of 0: much is pruned early, when the network is redundant, and little at the end. Linear: in
proportion to the time. With ``retrain`` the mask is kept whenever the run passes a round's density, and
each is then trained as a ticket: nested masks, one run for all of them.
"""

from dataclasses import dataclass
from fractions import Fraction

from audio_lottery.criteria import needs_data, needs_start
from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask
from audio_lottery.search.base import Job, Tensors, withins
from audio_lottery.search.span import Span

CURVES = {"cubic": lambda time: 1 - (1 - time) ** 3, "linear": lambda time: time}


@withins.register("gradual")
@dataclass(frozen=True)
class Gradual:
    """curve: cubic or linear; begin, end: when pruning begins and is over; every: time from one mask to the next."""

    curve: str = "cubic"
    begin: float | str = 0
    end: float | str = 0.8
    every: float | str = 0.01
    retrain: bool = True

    def __post_init__(self) -> None:
        if self.curve not in CURVES:
            raise LotteryError(f"within_conf: curve: {self.curve!r} is unknown: choose from {', '.join(CURVES)}")
        if not isinstance(self.retrain, bool):
            raise LotteryError(f"within_conf: retrain: {self.retrain!r} is not true or false")
        for key in ("begin", "end", "every"):
            Span.parse(getattr(self, key), f"within_conf: {key}")

    def check(self, config) -> None:
        """The score is of the weights alone, and all densities on the way can be had."""
        if config.criterion in needs_data | needs_start:
            raise LotteryError(f"criterion: {config.criterion} with within: gradual, which scores weights as they are "
                               "trained: take criterion: magnitude")
        if ":" in config.granularity:
            raise LotteryError(f"within: gradual passes densities that granularity: {config.granularity} cannot give: "
                               "take granularity: weight, or leave within out")

    def course(self, job: Job) -> "_Course":
        """The steps of the mask's changes, and what remains after each."""
        begin, end = (Span.parse(one, "within_conf").steps(job.length) for one in (self.begin, self.end))
        every = Span.parse(self.every, "within_conf").interval(job.length)
        if end <= begin:
            raise LotteryError(f"within_conf: end: {self.end} (step {end}) is not after begin: {self.begin} (step "
                               f"{begin}): take an end from {begin + 1}it to {job.length.steps}it")
        if end > job.length.steps:
            raise LotteryError(f"within_conf: end: {self.end}: the run has {job.length.steps} steps, so the density "
                               f"would not be reached: take end: {job.length.steps}it or earlier")
        if not 1 <= every <= end - begin:
            raise LotteryError(f"within_conf: every: {self.every} is {every} steps, and pruning takes {end - begin}: "
                               f"take from 1it to {end - begin}it")
        return _Course(job, CURVES[self.curve], begin, end, every)


class _Course:
    wants_gradient = False

    def __init__(self, job: Job, curve, begin: int, end: int, every: int):
        self.mask, self.last, self._job = job.whole, end, job
        # step -> (what remains after it, the round on the way, whether that round's density is met), in order
        self._plan: dict[int, list[tuple[int, int, bool]]] = {}
        whole, final, rounds = job.whole.numel, min(job.targets.values()), sorted(job.targets)
        for step in [*range(begin + every, end, every), end]:
            keep = whole - round((whole - final) * curve(Fraction(step - begin, end - begin)))
            self._plan[step] = []
            while rounds and job.targets[rounds[0]] >= keep:
                self._plan[step].append((job.targets[rounds[0]], rounds.pop(0), True))
            if rounds:
                self._plan[step].append((keep, rounds[0], False))

    def due(self, step: int) -> bool:
        """At every n-th step after begin, and at end."""
        return step in self._plan

    def change(self, step: int, mask: Mask, weights: Tensors, gradient: Tensors) -> tuple[Mask, dict[int, Mask]]:
        """Prune to the density of the step, and on the way to exactly those of rounds."""
        found = {}
        for keep, number, met in self._plan[step]:
            if keep < mask.kept:
                mask = self._job.draw(keep, mask, weights, number, None)
            if met:
                found[number] = mask
        return mask, found
