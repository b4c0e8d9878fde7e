"""A ticket found elsewhere, to be trained here (``--source_ticket``): read, and checked against the recipe."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from audio_lottery import config_file, snapshot
from audio_lottery.architecture import refuse_other, vocabulary_tensors
from audio_lottery.errors import LotteryError
from audio_lottery.espnet.backend import EspnetBackend
from audio_lottery.espnet.models import load_state
from audio_lottery.espnet.trained import refuse_other_modules, refuse_other_version, token_list
from audio_lottery.export import ticket_file
from audio_lottery.export.arrays import to_torch
from audio_lottery.fileio import read_yaml
from audio_lottery.layout import Layout
from audio_lottery.mask import Mask
from audio_lottery.source import Source

ADVICE = "give the folder of a search, or a .ticket file"


@dataclass(frozen=True)
class _Found:
    """What lies at a path: config.yaml, all weights (for names and shapes), and the masks by round."""

    config: Mapping[str, Any]
    tokens: list[str]
    state: Mapping[str, torch.Tensor]
    rounds: tuple[int, ...]
    mask: Callable[[int], Mask]


def read(path: str, round_name: str, weights: bool, backend: EspnetBackend) -> Source:
    """The source of ``all`` rounds of a search, or of the one whose number is given; of a file, its only one.

    weights: take the initial weights that belong to the masks too. Raises LotteryError for a ticket of another
    architecture, naming the tensors; vocabulary layers may differ, they stay this model's own then.
    """
    found = _read_file(Path(path), weights) if Path(path).is_file() else _read_search(Path(path), weights)
    refuse_other_version(found.config, path)
    vocabulary = vocabulary_tensors(backend.model, len(backend.tokens))
    state = backend.model.state_dict()
    own = () if found.tokens == backend.tokens else vocabulary
    refuse_other(state, found.state, path, own)
    refuse_other_modules(found.config, path, backend.recipe.task, backend.args)
    own += tuple(name for name in state if name.startswith("normalize."))  # the statistics of this training set
    rounds = found.rounds if round_name == "all" else (_number(round_name),)
    for number in rounds:
        if number not in found.rounds:
            raise LotteryError(f"--source_round {number}: {path} has no such ticket: choose from "
                               f"{', '.join(map(str, found.rounds))}, or all")
    about = {"source": path, "round": round_name, "weights": weights}
    start = found.state if weights else None
    return Source(about, rounds, found.mask, start, own, backend.initial)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise LotteryError(f"--source_round {text}: all, or the number of a round, is expected")
    return int(text)


def _read_search(path: Path, weights: bool) -> _Found:
    layout = Layout(path)
    masks = sorted(int(one.stem.removeprefix("round_")) for one in (path / "masks").glob("round_*.safetensors"))
    if not masks or not layout.config.is_file():
        raise LotteryError(f"{path}: no masks of a search in it: {ADVICE}")
    settings = config_file.load(layout.config)
    if weights and settings.restart != "rewind":
        raise LotteryError(f"{path}: its rounds don't start from initial weights (restart: {settings.restart}): take "
                           "the mask alone (--source_weights false)")
    start = layout.start(settings.rewind)
    state = snapshot.load(start) if weights or start.exists() else load_state(layout.round(0) / "latest.pth")
    config = read_yaml(layout.round(0) / "config.yaml")
    return _Found(config, token_list(config, str(layout.round(0))), state, tuple(masks),
                  lambda number: Mask.load(layout.mask(number)))


def _read_file(path: Path, weights: bool) -> _Found:
    if weights:
        raise LotteryError(f"{path}: a ticket file holds trained weights, not the initial ones: take the mask alone "
                           "(--source_weights false), or give the search's folder")
    ticket = ticket_file.read(path)
    if not ticket.masks:
        raise LotteryError(f"{path}: a dense model, without a mask: {ADVICE} of a pruned round")
    mask = Mask({name: torch.from_numpy(kept) for name, kept in ticket.masks.items()})
    return _Found(ticket.config, ticket.tokens, to_torch(ticket.tensors), (1,), lambda number: mask)
