"""Iterative magnitude pruning with rewinding: a state machine whose finished steps are skipped.

Frankle and Carbin, "The Lottery Ticket Hypothesis", ICLR 2019; rewinding to step k after Frankle et
al., "Linear Mode Connectivity and the Lottery Ticket Hypothesis", ICML 2020; on speech Ding et al.,
"Audio Lottery", ICLR 2022. Any trainer can stand behind the :class:`Backend` protocol.
"""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import yaml

from audio_lottery.config import LotteryConfig
from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_json, read_text, write_json, write_text
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask
from audio_lottery.moment import Moment
from audio_lottery.pruning import prune
from audio_lottery.zeros import count


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


class Backend(Protocol):
    """What a search needs of a training toolkit."""

    def settings(self) -> Mapping[str, Any]:
        """What decides the training, as plain values: a search is not continued under other settings."""

    def scope(self) -> list[str]:
        """Names of the tensors that may be pruned, in network order."""

    def train(self, round_folder: Path, options: Mapping[str, str]) -> None:
        """Train one round to its end; continue a killed one. Options: mask, init, theta0, thetak, rewind."""

    def weights(self, round_folder: Path, source: str) -> dict[str, torch.Tensor]:
        """Parameters at a round's end, of ``source`` 'last' or 'average'."""

    def facts(self, round_folder: Path) -> dict[str, Any]:
        """What the ledger keeps of a round: epochs, steps, dev scores, MACs, seed, versions, ..."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a search folder; a second search in it is refused. The lock dies with the process."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LotteryError(f"{folder}: another search is running here: wait for it, or take another folder"
                               ) from None
        yield


def search(folder: str | Path, config: LotteryConfig, backend: Backend, last_round: int | None = None) -> None:
    """Run rounds 0 (dense) to ``last_round`` (default: all), skipping what is finished.

    A killed search called again ends with the same masks and weights as one that was never killed.
    """
    layout = Layout(Path(folder))
    last = config.rounds if last_round is None else min(last_round, config.rounds)
    with locked(layout.folder):
        _keep(layout.config, config.to_dict())
        _keep(layout.training, backend.settings())
        names = backend.scope()
        for number in range(last + 1):
            _mask(layout, config, backend, names, number)
            _train(layout, config, backend, number)
            _record(layout, config, backend, names, number)


def _keep(path: Path, now: Mapping[str, Any]) -> None:
    """Write settings once; a search is not continued under others (but for more rounds)."""
    now = yaml.safe_load(yaml.safe_dump(dict(now)))
    if path.exists():
        before = yaml.safe_load(read_text(path))
        for key in sorted(before.keys() | now.keys()):
            if key != "rounds" and before.get(key) != now.get(key):
                raise LotteryError(f"{path}: this search was begun with {key}: {before.get(key)}, not "
                                   f"{now.get(key)}: take that, or another folder (--asr_tag, --expdir)")
    write_text(path, yaml.safe_dump(now, sort_keys=False))


def _mask(layout: Layout, config: LotteryConfig, backend: Backend, names: list[str], number: int) -> None:
    path = layout.mask(number)
    if number == 0 or path.exists():
        return
    weights = backend.weights(layout.round(number - 1), config.prune_from)
    before = Mask.load(layout.mask(number - 1)) if number > 1 else Mask.ones(weights, names)
    began = time.perf_counter()
    after = prune(weights, before, config.rate, config.criterion, config.allocation, config.seed)
    after.save(path, {"round": str(number), "rate": str(config.rate), "criterion": config.criterion,
                      "allocation": config.allocation, "prune_from": config.prune_from,
                      "seconds": f"{time.perf_counter() - began:.3f}"})


def _train(layout: Layout, config: LotteryConfig, backend: Backend, number: int) -> None:
    if layout.done(number).exists():
        return
    if number == 0:
        options = {"theta0": str(layout.theta0)}
        if not Moment.parse(config.rewind).is_start:
            options |= {"thetak": str(layout.thetak), "rewind": config.rewind}
    else:
        options = {"mask": str(layout.mask(number)), "init": str(layout.start(config.rewind))}
    seconds = _seconds_so_far(layout.round(number))
    began = time.perf_counter()
    try:
        backend.train(layout.round(number), options)
    finally:
        seconds += time.perf_counter() - began
        if layout.round(number).is_dir():
            write_json(layout.round(number) / "seconds.json", seconds)
    if number == 0 and not layout.start(config.rewind).exists():
        raise LotteryError(f"rewind: {config.rewind}: the dense training ended before that point: "
                           "choose an earlier one")
    write_json(layout.done(number), {"round": number, "seconds": round(seconds, 1)})


def _seconds_so_far(folder: Path) -> float:
    path = folder / "seconds.json"
    return read_json(path) if path.exists() else 0.0


def _record(layout: Layout, config: LotteryConfig, backend: Backend, names: list[str], number: int) -> None:
    """Write the round's line: counts are counted from the saved weights."""
    ledger = Ledger(layout.ledger)
    if ledger.get(number) is not None:
        return
    counts = count(backend.weights(layout.round(number), "average"), names)
    mask = Mask.load(layout.mask(number)) if number else None
    ledger.record(
        number, density_scope=counts.density_scope, density_whole=counts.density_whole,
        numel_scope=counts.numel_scope, kept_scope=counts.kept_scope,
        numel_whole=counts.numel_whole, nonzero_whole=counts.nonzero_whole,
        mask_digest=mask.digest() if mask else None, rate=config.rate if number else None,
        rewind=config.rewind, train_seconds=read_json(layout.done(number))["seconds"],
        finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), cores=os.cpu_count(),
        **backend.facts(layout.round(number)))
