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
    config = yaml.safe_load(read_text(folder / "config.yaml"))
    for phase, key, _ in config.get("best_model_criterion", []):
        path = folder / f"{phase}.{key}.ave.pth"
        if path.exists():
            return path
    raise LotteryError(f"{folder}: no averaged model (*.ave.pth): train this round to its end")


def load_state(path: Path) -> dict[str, torch.Tensor]:
    """A model's state dict; never unpickles code. Damaged files are a :class:`LotteryError`."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise LotteryError(f"{path}: not found: train this round to its end") from None
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise LotteryError(f"{path}: damaged or not a model file ({reason}): train this round again") from None


def stock_model(folder: Path, task: str) -> torch.nn.Module:
    """The model of a round's config.yaml as stock ESPnet builds it, with fresh weights."""
    module, name = STOCK[task]
    with quiet():
        model, _ = getattr(importlib.import_module(module), name).build_model_from_file(folder / "config.yaml")
    return model
