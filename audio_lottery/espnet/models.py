"""Trained models in an ESPnet experiment folder."""

import importlib
import pickle
from pathlib import Path

import torch
import yaml

from audio_lottery.errors import LotteryError
from audio_lottery.espnet.logs import quiet
from audio_lottery.espnet.tasks import TASKS as STOCK
from audio_lottery.fileio import read_text


def averaged_model_file(folder: Path) -> Path:
    """The average of the n best epochs on dev, by the first criterion of the folder's config.yaml."""
    for phase, key, _ in _config(folder).get("best_model_criterion", []):
        path = folder / f"{phase}.{key}.ave.pth"
        if path.exists():
            return path
    raise LotteryError(f"{folder}: no averaged model (*.ave.pth): train this round to its end, or correct the "
                       "best_model_criterion of its config.yaml if it names no score of dev")


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """A state dict, or a checkpoint; never unpickles code. Damaged files are a :class:`LotteryError`."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # its text advises to unpickle code
        raise LotteryError(f"{path}: not a model file of torch.save: give a model of ESPnet's") from None
    except FileNotFoundError:
        raise LotteryError(f"{path}: not found: train this round to its end") from None
    except (RuntimeError, EOFError) as error:
        reason = str(error).splitlines()[0]
        raise LotteryError(f"{path}: damaged or not a model file ({reason}): train this round again") from None


def weights_of(model: torch.nn.Module, path: Path) -> dict[str, torch.Tensor]:
    """The parameters of ``model`` in a model file; a file of another model is a :class:`LotteryError`."""
    state = load_state(path)
    for name, own in model.named_parameters():
        if not isinstance(state.get(name), torch.Tensor) or state[name].shape != own.shape:
            raise LotteryError(f"{path}: has no {name} of shape {list(own.shape)}: give a model file that fits "
                               "config.yaml (not a checkpoint)")
    return {name: state[name] for name, _ in model.named_parameters()}


def stock_model(folder: Path, task: str) -> torch.nn.Module:
    """The model of a round's config.yaml as stock ESPnet builds it, with fresh weights."""
    if task not in STOCK:
        raise LotteryError(f"--task {task}: unknown: choose from {', '.join(STOCK)}")
    _config(folder)
    module, name = STOCK[task]
    try:
        with quiet():
            model, _ = getattr(importlib.import_module(module), name).build_model_from_file(folder / "config.yaml")
    except (TypeError, ValueError, AssertionError, KeyError, AttributeError, RuntimeError, OSError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise LotteryError(f"{folder / 'config.yaml'}: ESPnet cannot build this model ({reason}): restore the file"
                           ) from None
    return model


def _config(folder: Path) -> dict:
    """The configuration that ESPnet wrote beside a model."""
    path = folder / "config.yaml"
    if not path.is_file():
        raise LotteryError(f"{path}: not found: give the folder of an ESPnet experiment")
    try:
        config = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        line = error.problem_mark.line + 1 if getattr(error, "problem_mark", None) else 1
        raise LotteryError(f"{path}:{line}: not valid YAML: restore the file") from None
    if not isinstance(config, dict):
        raise LotteryError(f"{path}: not a configuration of ESPnet: restore the file")
    return config
