"""The disk that a search needs at most, counted from its model and settings before anything is trained."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audio_lottery.config import LotteryConfig


@dataclass(frozen=True)
class Sizes:
    """What the files of a search consist of.

    model: bytes of a state dict. scope: weights in scope, of ``width`` bytes each. moments: bytes of the optimiser's
    state. epochs: of a round. kept: models that ESPnet keeps, keep_nbest_models for each criterion. averaged: averages
    that it writes.
    """

    model: int
    scope: int
    moments: int
    epochs: int
    kept: int
    averaged: int
    width: int = 4

    @classmethod
    def of(cls, backend) -> "Sizes":
        """Those of a recipe (audio_lottery.espnet.backend.EspnetBackend)."""
        args, model = backend.args, backend.model
        state, parameters = model.state_dict(), dict(model.named_parameters())
        scope = [parameters[name] for name in backend.scope()]
        counts = {args.keep_nbest_models} if isinstance(args.keep_nbest_models, int) else {*args.keep_nbest_models}
        criteria = len(args.best_model_criterion)
        trained = sum(value.nbytes for value in parameters.values() if value.requires_grad)
        return cls(sum(value.nbytes for value in state.values()), sum(value.numel() for value in scope),
                   sum(_copies(one) for one in backend.optimizers()) * trained, args.max_epoch,
                   max(counts, default=1) * criteria, len(counts - {1}) * criteria,
                   max((value.element_size() for value in scope), default=4))

    @property
    def checkpoint(self) -> int:
        """ESPnet's checkpoint.pth: weights and optimiser."""
        return self.model + self.moments

    @property
    def training(self) -> int:
        """A round while it is trained: the old checkpoint is kept until the new one is whole."""
        epochs = max(min(self.epochs, self.kept + 2), min(self.epochs, self.kept + 1) + self.averaged)
        return 2 * self.checkpoint + epochs * self.model

    @property
    def finished(self) -> int:
        """A round that is over: the last checkpoint, the n best and the last model, their average."""
        return self.checkpoint + (min(self.epochs, self.kept + 1) + self.averaged) * self.model

    @property
    def mask(self) -> int:
        """A bit a weight."""
        return -(-self.scope // 8)

    def archived(self, weights: int) -> int:
        """The ticket of a round, exact, with so many weights in scope left; its mask is coded below a bit a weight."""
        return self.model - (self.scope - weights) * self.width + self.mask


def _copies(optimizer) -> int:
    """Numbers that an optimiser keeps of a weight: tried on eight weights of their own."""
    import torch

    weight = torch.nn.Parameter(torch.ones(8))
    taken = inspect.signature(type(optimizer).__init__).parameters
    one = type(optimizer)([weight], **{name: value for name, value in optimizer.defaults.items() if name in taken})
    weight.grad = torch.ones(8)
    one.step()
    return sum(value.numel() == 8 for value in one.state[weight].values() if isinstance(value, torch.Tensor))


def count(sizes: Sizes, config: LotteryConfig, archive: bool) -> dict[str, Any]:
    """Bytes by what they are for, and their sum, ``peak``: never more at a time but for logs and temporary files."""
    schedule = config.make_schedule()
    numbers = [number for number in range(config.rounds + 1) if config.trains(number)]
    left = {number: schedule.kept(number, sizes.scope) if number else sizes.scope for number in numbers}
    *before, last = numbers
    whole = [number for number in before if not archive or (number == 0 and config.prune_from == "dense")]
    parts: Mapping[str, int] = {
        "initial weights": sizes.model * (1 + (config.rewind != "0") + (config.restart == "fresh")),
        "masks": sizes.mask * config.rounds,
        "finished rounds": len(whole) * sizes.finished,
        "archived rounds": sum(sizes.archived(left[number]) for number in before if number not in whole),
        "search run": sizes.finished if config.within and not config.changes(1) else 0,
        "kept at stops": sizes.model * (len(whole) + 1) if config.stop else 0,
        "the round in training": sizes.training + (sizes.model if config.restart != "rewind" else 0),
    }
    return {"rounds": len(numbers), **parts, "peak": sum(parts.values())}


def shown(counted: Mapping[str, Any]) -> str:
    """The count as a table, in GB (10^9 bytes)."""
    lines = [f"{name:<24}{value / 1e9:9.2f} GB" for name, value in counted.items() if name != "rounds" and value]
    return "\n".join(lines)
