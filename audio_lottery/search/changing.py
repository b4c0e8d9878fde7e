"""A training run whose mask changes on the way."""

import torch

from audio_lottery import hooks, ranks
from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask
from audio_lottery.maskfile import read
from audio_lottery.search.plan import job, named_in
from audio_lottery.search.session import Session


class Changing(Session):
    """Trains under the masks of a course; keeps those of rounds that it finds, with what they cost."""

    def __init__(self, *args):
        super().__init__(*args)
        if len(self.optimizers) > 1:
            raise LotteryError(f"within: {self.config.within} with {len(self.optimizers)} optimisers: a mask cannot "
                               "change between their steps: take a model of one")
        plan = self.plan
        self.course = self.config.make_within().course(
            job(self.layout, self.config, self.model, plan.names, plan.length, plan.round))
        self.step, self.cost, self.handle = 0, 0.0, None
        self._mask = self.course.mask

    @property
    def mask(self) -> Mask:
        """The present one."""
        return self._mask

    @property
    def final(self) -> bool:
        """Whether the mask changes no more."""
        return self.step >= self.course.last

    def resume(self, epoch: int, step: int) -> None:
        """The mask of that epoch's end; its weights are in the loop's checkpoint."""
        if epoch:
            self._mask, kept = read(self.layout.changing(self.folder, epoch))
            self.cost = float(kept["dense_equivalent_steps"])
        elif self.main:
            self._save(0)
        self._mask = ranks.shared_mask(self._mask)
        self.step, self.handle = step, hooks.attach(self.model, self._mask)
        self._expect()

    def stepped(self, step: int) -> None:
        """Count the step's cost; change the mask, if it is due."""
        self.step, due = step, self.course.due(step)
        density = self._density()
        # Forward, backward to the inputs, backward to the weights: only the last needs all weights' gradient.
        self.cost += (2 * density + 1) / 3 if due and self.course.wants_gradient else density
        if due:
            gradient = self._gradient() if self.course.wants_gradient else {}
            mask, found = self.course.change(step, self._mask, named_in(self.model, self._mask), gradient)
            self._change(ranks.shared_mask(mask))
            for number, one in found.items() if self.main else ():
                one.save(self.layout.found(self.folder, number), self._metadata(number))
            self._expect()
        elif self.course.wants_gradient:
            self._expect()

    def trained(self, epoch: int, step: int) -> None:
        """Keep the mask; that of the epoch before, too, which a killed run may go back to."""
        if self.main:
            self._save(epoch)
            if epoch > 2:
                self.layout.changing(self.folder, epoch - 2).unlink(missing_ok=True)

    def over(self, epoch: int) -> bool:
        """A run that is there for its masks alone ends with them."""
        return self.plan.round is None and self.final

    def close(self) -> None:
        """Take the hooks away."""
        if self.handle is not None:
            self.handle.remove()

    def _expect(self) -> None:
        self.handle.watch(self.course.wants_gradient and self.course.due(self.step + 1))

    def _gradient(self) -> dict[str, torch.Tensor]:
        """Of all weights; the sum over processes, so that all come to the same mask."""
        gradient = self.handle.gradient()
        ranks.sum_(gradient)
        return gradient

    @torch.no_grad()
    def _change(self, mask: Mask) -> None:
        """Train under ``mask``: what it prunes is zero, and so is what the optimiser keeps of it."""
        self.handle.change(mask)
        for name, parameter in ((name, self.model.get_parameter(name)) for name in mask):
            for value in self.optimizers[0].state.get(parameter, {}).values():
                if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                    value.masked_fill_(~mask[name].to(value.device), 0)
        self._mask = mask

    def _density(self) -> float:
        """Multiply-accumulates that the mask leaves, as a share of all."""
        densities = self._mask.densities
        return 1 - sum(self.plan.shares.get(name, 0.0) * (1 - one) for name, one in densities.items())

    def _metadata(self, number: int | None) -> dict[str, str]:
        return {"within": self.config.within, "steps": str(self.step), "dense_equivalent_steps": repr(self.cost)} | (
            {"round": str(number)} if number else {})

    def _save(self, epoch: int) -> None:
        self._mask.save(self.layout.changing(self.folder, epoch), self._metadata(self.plan.round))
