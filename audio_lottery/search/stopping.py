"""A training run that tells, on its way, when the next mask may be drawn from it."""

import logging

from audio_lottery import ranks, snapshot
from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask
from audio_lottery.search.early_bird import distance
from audio_lottery.search.plan import job, named_in
from audio_lottery.search.session import Session

log = logging.getLogger("audio_lottery")


class Stopping(Session):
    """Keeps the weights of the epoch that the stop is at; ends the run there unless it is to be trained in full."""

    def __init__(self, *args):
        super().__init__(*args)
        self.stop, number = self.config.make_stop(), self.plan.round
        self.path = self.layout.stopped(self.folder)
        self.stopped_at, self.drawn = None, []
        self.target = self.config.rounds if self.config.prune_from == "dense" else number + 1
        try:
            # a target density is due after the last round, not here
            self.config.make_schedule().check(max(self.target, self.config.rounds))
        except LotteryError:  # a list of densities that ends here: no mask is drawn from this round
            self.target = None
        if self.target is not None and self.stop.window:
            self.job = job(self.layout, self.config, self.model, self.plan.names, self.plan.length, self.target)
            self.before = self.job.whole if not number else Mask.load(self.layout.mask(number))

    def resume(self, epoch: int, step: int) -> None:
        """Whether the stop was passed; the masks of the last epochs."""
        if self.path.exists() and (at := int(snapshot.metadata(self.path)["epoch"])) <= epoch:
            self.stopped_at = at
        first = max(1, epoch - self.stop.window + 1)
        self.drawn = [Mask.load(self.layout.changing(self.folder, one)) for one in range(first, epoch + 1)
                      ] if self.stop.window and self.stopped_at is None and self.target else []

    def trained(self, epoch: int, step: int) -> None:
        """Draw a mask, if the stop looks at any; keep the weights when it is reached."""
        if self.stopped_at is not None or self.target is None:
            return
        if self.stop.window:
            self._draw(epoch)
        if self.stop.reached(epoch, self.plan.length, self.drawn):
            self.stopped_at = epoch
            log.info("The next mask is drawn from the weights of epoch %d", epoch)
            if self.main:
                snapshot.save(self.path, self.model.state_dict(), {"epoch": str(epoch), "steps": str(step)})

    def over(self, epoch: int) -> bool:
        """At the stop, unless the round is trained in full."""
        return self.stopped_at is not None and not self.config.in_full(self.plan.round)

    def _draw(self, epoch: int) -> None:
        keep = min(self.job.targets[self.target], self.before.kept)
        mask = self.job.draw(keep, self.before, named_in(self.model, self.before), self.target, None)
        mask = ranks.shared_mask(mask)
        if self.main:
            mask.save(self.layout.changing(self.folder, epoch), {"epoch": str(epoch)})
            self.layout.changing(self.folder, epoch - self.stop.window - 1).unlink(missing_ok=True)
        self.drawn = [*self.drawn, mask][-self.stop.window:]
        distances = ", ".join(f"{distance(mask, one):.4f}" for one in self.drawn[:-1])
        log.info("Epoch %d: the mask is %s away from those of the epochs before", epoch, distances or "the first")
