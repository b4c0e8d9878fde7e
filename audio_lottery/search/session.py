"""What goes along with a training run when a search acts within it. Any training loop in torch can call it.

    session = begin(options["search"], folder, model, optimizers)
    session.resume(epoch, step)             # before the first step: 0, 0, or where a killed run was
    while not session.over(epoch):
        for each optimiser step: session.stepped(step)
        session.trained(epoch, step)        # before the loop's own checkpoint of the epoch is written

Everything that a killed run needs to go on is in files named by epoch, which are there before the loop's
own checkpoint of that epoch is.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from audio_lottery.config import LotteryConfig
from audio_lottery.config_file import load
from audio_lottery.layout import Layout
from audio_lottery.mask import Mask
from audio_lottery.search.plan import Plan


class Session:
    """What a session knows, and one that does nothing.

    folder: of the run. main: whether this process writes files (of several, one does).
    """

    def __init__(self, plan: Plan, config: LotteryConfig, folder: Path, model: nn.Module,
                 optimizers: Sequence[torch.optim.Optimizer], main: bool):
        self.plan, self.config, self.folder, self.main = plan, config, folder, main
        self.layout = Layout(Path(plan.search))
        self.model, self.optimizers = model, optimizers

    @property
    def mask(self) -> Mask | None:
        """The mask that the session trains under; None: it leaves masks alone."""
        return None

    @property
    def final(self) -> bool:
        """Whether the weights are those of the run's final mask."""
        return True

    def resume(self, epoch: int, step: int) -> None:
        """Take up the state at the end of an epoch, of as many steps; 0: begin."""

    def stepped(self, step: int) -> None:
        """Call after optimiser step number ``step`` of the run, before gradients are cleared."""

    def trained(self, epoch: int, step: int) -> None:
        """Call after an epoch, of all ``step`` steps so far."""

    def over(self, epoch: int) -> bool:
        """Whether the run ends after this epoch."""
        return False

    def close(self) -> None:
        """Let go of the model."""


def begin(path: str | Path, folder: str | Path, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer],
          main: bool = True) -> Session:
    """The session of a run that was given the option ``search``."""
    from audio_lottery.search.changing import Changing
    from audio_lottery.search.stopping import Stopping

    plan = Plan.load(path)
    config = load(Layout(Path(plan.search)).config)
    kind = Changing if plan.round is None or config.changes(plan.round) else Stopping
    return kind(plan, config, Path(folder), model, optimizers, main)
