"""What a training run is told of the search that it is part of: a file, since it may be another process."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor, nn

from audio_lottery import masks
from audio_lottery.config import LotteryConfig
from audio_lottery.criteria import Evidence
from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_json, write_json
from audio_lottery.layout import Backend, Layout
from audio_lottery.mask import Mask, named_tensors
from audio_lottery.pruning import prune_to
from audio_lottery.search.base import Job
from audio_lottery.search.span import Length


@dataclass(frozen=True)
class Plan:
    """A run of the search in the folder ``search``.

    round: its number, None for the run that finds the masks of all rounds. names: the scope.
    shares: name -> the tensor's share of the network's multiply-accumulates in training.
    """

    search: str
    round: int | None
    names: tuple[str, ...]
    length: Length
    shares: Mapping[str, float]

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def load(cls, path: str | Path) -> "Plan":
        """Read what save() wrote."""
        values = read_json(path)
        try:
            return cls(values["search"], values["round"], tuple(values["names"]), Length(**values["length"]),
                       values["shares"])
        except (KeyError, TypeError):
            raise LotteryError(f"{path}: not the plan of a search: start the search again") from None


def options(layout: Layout, config: LotteryConfig, backend: Backend, run: Path, number: int | None) -> dict[str, str]:
    """Options of a run's training, with the plan beside it; none where no search goes on within."""
    if number is not None and not (config.stops(number) or config.changes(number)):
        return {}
    shares = backend.shares() if config.within else {}
    path = run / "search.json"
    Plan(str(layout.folder), number, tuple(backend.scope()), backend.length(), shares).save(path)
    return {"search": str(path)}


def job(layout: Layout, config: LotteryConfig, network: nn.Module, names: tuple[str, ...], length: Length,
        number: int | None) -> Job:
    """The job of finding the mask of a round within a run; of all rounds, when ``number`` is None."""
    selector = masks.selector_of(config, network, names)
    allocation, schedule = masks.allocation_of(layout, config), config.make_schedule()
    whole = Mask.ones(network, selector.names)
    rounds = range(1, config.rounds + 1) if number is None else (number,)

    def draw(keep: int, mask: Mask, weights: Mapping[str, Tensor], at: int, criterion: str | None) -> Mask:
        evidence = Evidence.of(weights, mask, seed=config.seed)
        return prune_to(keep, mask, evidence, criterion or config.criterion, allocation, selector, at)

    return Job(whole, {one: schedule.kept(one, whole.numel) for one in rounds}, length, draw, config.seed)


def check(layout: Layout, config: LotteryConfig, backend: Backend, names: tuple[str, ...]) -> None:
    """Raise LotteryError, before any training, when a search within doesn't fit the runs."""
    if config.stop:
        config.make_stop().check(backend.length())
    if not config.within or not config.rounds:
        return
    method, length = config.make_within(), backend.length()
    number = None if method.retrain else config.rounds
    course = method.course(job(layout, config, backend.network(), names, length, number))
    left = length.epochs - -(-course.last // length.steps_per_epoch) + 1
    if not method.retrain and left < length.averaged:
        latest = (length.epochs - length.averaged + 1) * length.steps_per_epoch
        raise LotteryError(f"within_conf: end: the mask changes until step {course.last}, so that of {length.epochs} "
                           f"epochs {max(left, 0)} end with the last mask, and {length.averaged} models are averaged "
                           f"(keep_nbest_models): take an end of at most {latest}it, or average fewer")


def named_in(model: nn.Module, mask: Mask) -> dict[str, Tensor]:
    """The tensors of a mask, detached."""
    tensors = named_tensors(model)
    return {name: tensors[name].detach() for name in mask}
