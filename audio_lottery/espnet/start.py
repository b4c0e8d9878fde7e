"""What a round starts from: its weights and learning rate, the record of both, and thetak kept for later rounds."""

import dataclasses
import logging
from pathlib import Path

import torch

from audio_lottery import ranks, snapshot
from audio_lottery.mask import Mask
from audio_lottery.moment import Moment
from audio_lottery.scope import tied_names


@dataclasses.dataclass
class TicketOptions:
    """The options that :meth:`TicketTrainerMixin.add_arguments` adds to an ESPnet training command."""

    mask: str | None = None
    init: str | None = None
    theta0: str | None = None
    thetak: str | None = None
    rewind: str = "0"
    learning_rate: float | None = None
    search: str | None = None


def set_weights(model: torch.nn.Module, mask: Mask | None, ticket: TicketOptions, main: bool) -> None:
    """Set the weights a round starts from: the given ones, else theta0 kept now or by a killed start."""
    if main:
        _load_start(model, ticket)
    ranks.share_weights(model)
    if mask is not None:
        mask.apply_(model)


def _load_start(model: torch.nn.Module, ticket: TicketOptions) -> None:
    if ticket.init:
        snapshot.load_into(model, ticket.init)
    elif ticket.theta0 and Path(ticket.theta0).exists():
        snapshot.load_into(model, ticket.theta0)
    elif ticket.theta0:
        snapshot.save(ticket.theta0, model.state_dict(), {"kind": "theta0", "moment": "0"})


def record(model, optimizers, schedulers, scaler, seed: int) -> dict:
    """What a round starts from, taken right before its first step; ``audio-lottery check`` reads it."""
    model = getattr(model, "module", model)
    return {
        "tensors": snapshot.digests(model.state_dict()),
        "parameters": [name for name, _ in model.named_parameters()],
        "tied": {other: name for name, names in tied_names(model).items() for other in names if other != name},
        "optimizer_states": sum(len(optimizer.state) for optimizer in optimizers),
        "optimizers": [repr(optimizer) for optimizer in optimizers],
        "schedulers": [None if one is None else repr(sorted(one.state_dict().items())) for one in schedulers],
        "scaler": None if scaler is None else repr(sorted(scaler.state_dict().items())),
        "seed": seed,
        "random_state": snapshot.tensor_digest(torch.get_rng_state()),
    }


def constant_rate(optimizers, learning_rate: float) -> list[None]:
    """Set the learning rate of all parameters; what stands for their schedulers."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] = learning_rate
    return [None] * len(optimizers)


def keep_thetak_by_step(model, optimizer, options):
    """Keep the weights after optimiser step k; the hook runs before the step is counted."""
    wanted, ticket = Moment.parse(options.ticket.rewind), options.ticket

    def keep(*_) -> None:
        if wanted.unit == "it" and options.run.steps + 1 == wanted.count:
            snapshot.save(ticket.thetak, model.state_dict(), {"kind": "thetak", "moment": str(wanted)})

    return optimizer.register_step_post_hook(keep)


def keep_thetak_by_epoch(model, options, epoch: int) -> None:
    """The same after whole epochs."""
    wanted, ticket = Moment.parse(options.ticket.rewind), options.ticket
    if ticket.thetak and wanted.unit == "ep" and wanted.count == epoch:
        logging.info("Keeping the weights of epoch %d in %s", epoch, ticket.thetak)
        snapshot.save(ticket.thetak, model.state_dict(), {"kind": "thetak", "moment": str(wanted)})
