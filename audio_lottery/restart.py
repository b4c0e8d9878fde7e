"""After pruning: which weights does a round start from? By name in ``restarts``.

A restart is a function ``(context) -> state dict`` of the whole network, before the mask is applied.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from audio_lottery import snapshot
from audio_lottery.registry import Registry

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Context:
    """What a restart may use.

    rewound: the file of the initial weights, or of those after k steps. theta0, fresh: the files of the
    initial weights and of other ones drawn by the model's own initialiser (made when first needed).
    trained: () -> the state dict at the end of the round before. scope: the tensors that the mask has.
    """

    rewound: Path
    theta0: Path
    fresh: Callable[[], Path]
    trained: Callable[[], State]
    scope: tuple[str, ...]


Restart = Callable[[Context], State]
restarts: Registry[Restart] = Registry("restart")
# Names of the restarts that need the weights that the round before was trained to.
restarts_from_trained = {"learning_rate", "finetune"}
# Names of the restarts that go on with the learning rate that the round before ended with.
keeps_learning_rate = {"finetune"}


@restarts.register("rewind")
def rewind(context: Context) -> State:
    """Initial weights (Frankle & Carbin, ICLR 2019) or those after k steps (Frankle et al., ICML 2020)."""
    return snapshot.load(context.rewound)


@restarts.register("learning_rate")
def learning_rate(context: Context) -> State:
    """Trained weights, and the learning rate schedule from its start (Renda et al., ICLR 2020)."""
    return context.trained()


@restarts.register("finetune")
def finetune(context: Context) -> State:
    """Trained weights, at the last learning rate (Han et al., NeurIPS 2015)."""
    return context.trained()


@restarts.register("fresh")
def fresh(context: Context) -> State:
    """Freshly drawn initial weights: the random ticket (Frankle & Carbin, ICLR 2019, section 2)."""
    return snapshot.load(context.fresh())


@restarts.register("sign")
def sign(context: Context) -> State:
    """Initial signs with one magnitude a tensor, the initial standard deviation, in scope.

    Zhou et al., Deconstructing Lottery Tickets, NeurIPS 2019 (the "constant" initialisations).
    """
    state = snapshot.load(context.theta0)
    for name in context.scope:
        state[name] = state[name].sign() * state[name].std(correction=0)
    return state
