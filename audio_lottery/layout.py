"""Where the parts of a search lie, and what a search needs of a training toolkit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch

from audio_lottery.criteria import Calibration
from audio_lottery.errors import LotteryError
from audio_lottery.moment import Moment
from audio_lottery.search.span import Length


@dataclass(frozen=True)
class Layout:
    """Where the parts of a search lie inside its folder."""

    folder: Path

    def round(self, number: int) -> Path:
        """A round's own ESPnet experiment folder."""
        return self.folder / f"round_{number:02d}"

    def mask(self, number: int) -> Path:
        """A round's mask; round 0 is dense and has none."""
        return self.folder / "masks" / f"round_{number:02d}.safetensors"

    def done(self, number: int) -> Path:
        """Marks a round whose training is over, and says what it took."""
        return self.round(number) / "done.json"

    @property
    def theta0(self) -> Path:
        """The initial weights."""
        return self.folder / "theta0.safetensors"

    @property
    def thetak(self) -> Path:
        """The weights after k steps of the dense training."""
        return self.folder / "thetak.safetensors"

    def start(self, rewind: str) -> Path:
        """The weights that pruned rounds start from."""
        return self.theta0 if Moment.parse(rewind).is_start else self.thetak

    @property
    def fresh(self) -> Path:
        """Initial weights drawn anew, for random tickets."""
        return self.folder / "fresh.safetensors"

    def init(self, number: int) -> Path:
        """The weights that a round starts from, while it is trained, where they are not one of the above."""
        return self.round(number) / "init.safetensors"

    @property
    def imported(self) -> Path:
        """Says where round 0 is from, when it was not trained here."""
        return self.round(0) / "imported.json"

    @property
    def source(self) -> Path:
        """Masks, and a record of the initial weights, taken from another search; laid out as one."""
        return self.folder / "source"

    @property
    def search_run(self) -> Path:
        """The training run that finds the masks of all rounds, for methods that have one."""
        return self.folder / "search_run"

    @staticmethod
    def stopped(run: Path) -> Path:
        """The weights after which a run had told enough for the next mask, where ``stop`` is set."""
        return run / "stopped.safetensors"

    @staticmethod
    def found(run: Path, number: int) -> Path:
        """The mask of a round that a run found on its way."""
        return run / "masks" / f"round_{number:02d}.safetensors"

    @staticmethod
    def changing(run: Path, epoch: int) -> Path:
        """The mask of a run at the end of an epoch, where it changes; epoch 0: at its start."""
        return run / "masks" / f"epoch_{epoch:03d}.safetensors"

    @property
    def groups(self) -> Path:
        """The weights that go together, unless each goes by itself."""
        return self.folder / "groups.safetensors"

    @property
    def ledger(self) -> Path:
        """One JSON object a round."""
        return self.folder / "rounds.jsonl"

    @property
    def config(self) -> Path:
        """The resolved lottery configuration."""
        return self.folder / "lottery.yaml"

    @property
    def training(self) -> Path:
        """The settings of the training that decide its result."""
        return self.folder / "training.yaml"

    def finished(self) -> list[int]:
        """Numbers of the rounds whose training is over, in order."""
        numbers = (re.fullmatch(r"round_(\d+)", path.parent.name) for path in self.folder.glob("round_*/done.json"))
        return sorted(int(match[1]) for match in numbers if match)

    def chosen(self, wanted: Sequence[str]) -> list[int]:
        """Finished rounds by what a user wrote: ``all``, or numbers; others are a :class:`LotteryError`."""
        finished = self.finished()
        if not finished:
            raise LotteryError(f"{self.folder}: no finished round: run stage 5 first")
        if list(wanted) == ["all"]:
            return finished
        for word in wanted:
            if not word.isdigit() or int(word) not in finished:
                raise LotteryError(f"--rounds {word}: not a finished round of {self.folder}: "
                                   f"there are {', '.join(map(str, finished))}")
        return [int(word) for word in wanted]


class Backend(Protocol):
    """What a search needs of a training toolkit."""

    def settings(self) -> Mapping[str, Any]:
        """What decides the training, as plain values: a search is not continued under other settings."""

    def scope(self) -> list[str]:
        """Names of the tensors that may be pruned, in network order."""

    def train(self, round_folder: Path, options: Mapping[str, str]) -> None:
        """Train one round to its end; continue a killed one.

        Options: mask, init, theta0, thetak, rewind; learning_rate: train at this one throughout; search: a
        file for audio_lottery.search.session.begin, whose session goes along with the training.
        """

    def length(self) -> Length:
        """How long a round's training is; asked for where ``within`` or ``stop`` is set."""

    def shares(self) -> Mapping[str, float]:
        """Name -> the tensor's share of the network's multiply-accumulates in training."""

    def weights(self, round_folder: Path, source: str) -> dict[str, torch.Tensor]:
        """Parameters at a round's end, of ``source`` 'last' or 'average'."""

    def network(self) -> torch.nn.Module:
        """A network of the same structure, with any weights."""

    def state(self, round_folder: Path, source: str) -> Mapping[str, torch.Tensor]:
        """Parameters and buffers at a round's end, of ``source`` 'last' or 'average'."""

    def fresh(self, seed: int) -> Mapping[str, torch.Tensor]:
        """A state dict newly drawn by the network's own initialiser, another than the training's own."""

    def learning_rate(self, round_folder: Path) -> float:
        """The learning rate that a round ended with."""

    def calibration(self, state: Mapping[str, torch.Tensor], part: str, batches: int, initial: bool) -> Calibration:
        """A network that holds ``state`` and ``batches`` batches of the set ``part`` ('train' or 'dev').

        initial: whether the weights are untrained, so that norms take the batches' own statistics.
        """

    def archive(self, round_folder: Path, mask: Path | None) -> None:
        """Keep a finished round as a ticket; no later round needs more of it than its records."""

    def facts(self, round_folder: Path) -> dict[str, Any]:
        """What the ledger keeps of a round: epochs, steps, dev scores, MACs, seed, versions, ...

        macs_density: the share of the network's multiply-accumulates that is not with zero weights.
        """
