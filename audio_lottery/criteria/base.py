"""What criteria share: their type, their registry and what they may look at."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask, named_tensors
from audio_lottery.registry import Registry


@dataclass(frozen=True)
class Calibration:
    """A model on some data, for criteria that look at more than the weights.

    model: holds the scored weights, deterministic (no dropout). It may be changed for the time of a call.
    batches: the same batches, in the same order, each time it is called.
    utterances: the same data in batches of one utterance each, without padding.
    loss: (model, batch) -> the mean loss of the batch, a scalar with a graph.
    flow: model -> the outputs of the network for an input of ones, with a graph.
    """

    model: nn.Module
    batches: Callable[[], Iterable[Any]]
    utterances: Callable[[], Iterable[Any]]
    loss: Callable[[nn.Module, Any], Tensor]
    flow: Callable[[nn.Module], Tensor]


@dataclass(frozen=True)
class Evidence:
    """What a criterion may look at.

    weights: parameter name -> scored weights, any shape, any float type.
    seed: for criteria that draw random numbers.
    start: parameter name -> weights that the scored ones were trained from.
    calibration: a model that holds the scored weights, and data.
    """

    weights: Mapping[str, Tensor]
    seed: int = 0
    start: Mapping[str, Tensor] | None = None
    calibration: Calibration | None = None
    _kept: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, weights: nn.Module | Mapping[str, Tensor], mask: Mask, **more: Any) -> "Evidence":
        """The evidence on the tensors of ``mask``. Raises LotteryError when it doesn't fit the weights."""
        mask.validate(weights)
        tensors = named_tensors(weights)
        return cls({name: tensors[name] for name in mask}, **more)

    def once(self, what: str, compute: Callable[[], Any]) -> Any:
        """``compute()``, at the first call for ``what``; its result at the others."""
        if what not in self._kept:
            self._kept[what] = compute()
        return self._kept[what]

    def data(self, criterion: str) -> Calibration:
        """The calibration, or a LotteryError that says which criterion lacks it."""
        if self.calibration is None:
            raise LotteryError(f"criterion: {criterion} scores on data: use it in a search (audio-lottery find)")
        return self.calibration


Criterion = Callable[[str, Evidence], Tensor]
criteria: Registry[Criterion] = Registry("criterion")
# Names of the criteria that need Evidence.calibration, and of those that need Evidence.start.
needs_data: set[str] = set()
needs_start: set[str] = set()
