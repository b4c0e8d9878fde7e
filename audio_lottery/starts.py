"""The weights that a round of a search starts from, as ``restart`` says."""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor

from audio_lottery import snapshot
from audio_lottery.config import LotteryConfig
from audio_lottery.layout import Backend, Layout
from audio_lottery.restart import Context, State, restarts


def start_options(layout: Layout, config: LotteryConfig, backend: Backend, scope: tuple[str, ...], number: int,
                  ) -> dict[str, str]:
    """Options of a pruned round's training; the weights are in a file."""
    if config.restart == "rewind":
        return {"init": str(layout.start(config.rewind))}
    path = layout.init(number)
    if not path.exists():
        snapshot.save(path, start_state(layout, config, backend, scope, number), {"restart": config.restart})
    options = {"init": str(path)}
    if config.restart == "finetune":
        options["learning_rate"] = repr(backend.learning_rate(layout.round(number - 1)))
    return options


def start_state(layout: Layout, config: LotteryConfig, backend: Backend, scope: tuple[str, ...], number: int) -> State:
    """The state that a round starts from, before its mask."""
    if number == 0:
        return snapshot.load(layout.theta0)

    def trained() -> Mapping[str, Tensor]:
        return backend.state(layout.round(number - 1), "average" if config.prune_from == "average" else "last")

    def fresh() -> Path:
        if not layout.fresh.exists():
            snapshot.save(layout.fresh, backend.fresh(config.seed), {"kind": "fresh", "seed": str(config.seed)})
        return layout.fresh

    return expected(layout, config, scope, trained, fresh)


def expected(layout: Layout, config: LotteryConfig, scope: tuple[str, ...], trained: Callable[[], State],
             fresh: Callable[[], Path]) -> State:
    """The same from its parts, see audio_lottery.restart.Context."""
    context = Context(layout.start(config.rewind), layout.theta0, fresh, trained, scope)
    return restarts.get(config.restart)(context)
