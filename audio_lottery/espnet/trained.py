"""A trained ESPnet model from elsewhere: read, and compared with the recipe's own before anything is taken."""

import argparse
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from audio_lottery.errors import LotteryError
from audio_lottery.espnet.features import sampling_rate
from audio_lottery.espnet.models import averaged_model_file, load_state
from audio_lottery.espnet.packed import is_packed, read_packed
from audio_lottery.espnet.tasks import get_task
from audio_lottery.espnet.versions import ESPNET
from audio_lottery.fileio import read_yaml

# Modules that have options which change what a model computes, but not the shapes of its tensors.
MODULES = ("frontend", "normalize", "preencoder", "encoder", "postencoder", "decoder")
# Options that act in training only, or name a file of this machine.
FREE = ("dropout", "stats_file", "stochastic_depth")


@dataclass(frozen=True)
class Trained:
    """``config``: its config.yaml; ``model``: the file of ``state``, or the archive; ``folder``: where that lies.

    checkpoint: its whole last checkpoint, where it is kept.
    """

    config: Mapping[str, Any]
    model: Path
    state: Mapping[str, torch.Tensor]
    checkpoint: Path | None = None

    @property
    def folder(self) -> Path:
        """Where the model file lies."""
        return self.model.parent


def read_trained(path: Path, size: int) -> Trained:
    """Of an experiment folder (its averaged model), one of its model files, or a packed model.

    size: bytes of the recipe's own model; a packed one may be somewhat larger.
    """
    if path.is_file() and is_packed(path):
        config, data = read_packed(path, 2 * size + (64 << 20))
        return Trained(config, path, _tensors(path, load_state(path, io.BytesIO(data))))
    folder = path if path.is_dir() else path.parent
    if not path.exists():
        raise LotteryError(f"{path}: not found: give the folder of an ESPnet experiment, a model file of it, or a "
                           "model packed by espnet2.bin.pack")
    if not (folder / "config.yaml").is_file():
        inside = ": give its round_00" if (folder / "round_00").is_dir() else ": give the folder of one"
        raise LotteryError(f"{folder}: no ESPnet experiment, since it has no config.yaml{inside}")
    config = read_yaml(folder / "config.yaml")
    model = path if path.is_file() else _model_file(folder)
    checkpoint = folder / "checkpoint.pth"
    return Trained(config, model, _tensors(model, load_state(model)), checkpoint if checkpoint.is_file() else None)


def read_checkpoint(path: Path) -> tuple[dict[str, torch.Tensor], int | None]:
    """The last epoch's weights, and its number, of a checkpoint.pth."""
    states = load_state(path)
    try:
        model, epochs = states["model"], max(states["reporter"]["stats"], default=None)
    except (KeyError, TypeError, ValueError):
        raise LotteryError(f"{path}: not a checkpoint of ESPnet's: move it away, and the model file is taken") from None
    return _tensors(path, model), epochs


def _model_file(folder: Path) -> Path:
    unpacked = folder / "model.pth"  # of audio-lottery unpack
    return unpacked if unpacked.is_file() else averaged_model_file(folder).resolve()


def _tensors(path: Path, state: object) -> dict[str, torch.Tensor]:
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise LotteryError(f"{path}: holds more than the weights of a model: give the averaged model "
                           "(valid.*.ave.pth), not checkpoint.pth")
    for name, value in state.items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise LotteryError(f"{path}: {name} holds infinite or undefined weights: give another model")
    return state


def refuse_other_version(config: Mapping[str, Any], where: str) -> None:
    """Raise LotteryError when a config.yaml is of another ESPnet, whose models may have other names."""
    version = str(config.get("version") or ESPNET)
    if version.split(".")[0] != ESPNET:
        raise LotteryError(f"{where}: trained by ESPnet {version}, this is {ESPNET}, whose models have other names: "
                           f"train it with {ESPNET}")


def refuse_other_modules(config: Mapping[str, Any], where: str, task: str, args: argparse.Namespace) -> None:
    """Raise LotteryError when the modules of a config.yaml compute something else than the recipe's.

    Names and shapes of tensors don't show all: not the number of attention heads, nor the sampling rate.
    args: the recipe's ESPnet options.
    """
    for key, there, here in _differences(config, task, args):
        raise LotteryError(f"{where}: its {key} is {there}, --asr_config has {here}: take the training configuration "
                           "that it was made with")


def _differences(config: Mapping[str, Any], task: str, args: argparse.Namespace) -> Iterator[tuple[str, Any, Any]]:
    choices = {choice.name: choice for choice in get_task(task).class_choices_list}
    for module in MODULES:
        chosen = getattr(args, module, None)
        if module in choices and config.get(module) != chosen:
            yield module, config.get(module), chosen
        defaults = _defaults(choices[module].get_class(chosen)) if module in choices and chosen else {}
        there, here = ({**defaults, **(conf or {})} for conf in (config.get(f"{module}_conf"),
                                                               getattr(args, f"{module}_conf", None)))
        if module == "frontend":  # 16k is 16000
            there, here = ({**conf, "fs": sampling_rate(conf)} for conf in (there, here))
        for key in sorted(there.keys() | here.keys()):
            if there.get(key) != here.get(key) and not any(word in key for word in FREE):
                yield f"{module}_conf.{key}", there.get(key), here.get(key)
    if config.get("input_size") != args.input_size:
        yield "input_size", config.get("input_size"), args.input_size


def _defaults(module: type) -> dict[str, Any]:
    from espnet2.utils.get_default_kwargs import get_default_kwargs

    return get_default_kwargs(module)


def token_list(config: Mapping[str, Any], where: str) -> list[str]:
    """The tokens of a config.yaml."""
    tokens = config.get("token_list")
    if not isinstance(tokens, list):
        raise LotteryError(f"{where}: its config.yaml has no token_list: give the one that ESPnet wrote in training")
    return [str(token) for token in tokens]


def refuse_other_tokens(there: list[str], here: list[str], where: str) -> None:
    """Raise LotteryError unless two token lists are the same, naming the first that differs."""
    for number, (one, other) in enumerate(zip(there, here, strict=False)):
        if one != other:
            raise LotteryError(f"{where}: its token {number} is {one!r}, --token_list has {other!r}: take the token "
                               "list that it was made with")
    if len(there) != len(here):
        raise LotteryError(f"{where}: it has {len(there)} tokens, --token_list {len(here)}: take the token list that "
                           "it was made with")
