"""Trained models in an ESPnet experiment folder."""

import pickle
import zipfile
from pathlib import Path
from typing import BinaryIO

import torch

from audio_lottery.errors import LotteryError
from audio_lottery.espnet import archive
from audio_lottery.espnet.checkpoints import is_whole
from audio_lottery.espnet.logs import quiet
from audio_lottery.espnet.tasks import get_task, resolve
from audio_lottery.fileio import read_yaml


def averaged_model_file(folder: Path) -> Path:
    """The average of the n best epochs on dev, by the first criterion of the folder's config.yaml.

    That of a round which was archived as a ticket is written out again.
    """
    if archive.archived(folder):
        return archive.restore(folder)
    for phase, key, _ in read_yaml(_config(folder)).get("best_model_criterion", []):
        path = folder / f"{phase}.{key}.ave.pth"
        if path.exists():
            return path
    raise LotteryError(f"{folder}: no averaged model (*.ave.pth): train this round to its end, or correct the "
                       "best_model_criterion of its config.yaml if it names no score of dev")


def load_state(path: Path, stream: BinaryIO | None = None) -> dict[str, torch.Tensor]:
    """A state dict, or a checkpoint; never unpickles code. Damaged files are a :class:`LotteryError`.

    stream: what to read instead, a file inside ``path``.
    """
    if stream is None and zipfile.is_zipfile(path) and not is_whole(path):  # torch doesn't look at the CRCs
        raise LotteryError(f"{path}: damaged (a record's CRC is another): train this round again")
    try:
        return torch.load(stream or path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:  # its text advises to unpickle code
        raise LotteryError(f"{path}: not a model file of torch.save: give a model of ESPnet's") from None
    except FileNotFoundError:
        raise LotteryError(f"{path}: not found: train this round to its end") from None
    except (RuntimeError, EOFError, OSError) as error:
        reason = " ".join(str(error).split())
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
    config = _config(folder)
    task = resolve(task, config)
    try:
        with quiet():
            model, _ = get_task(task).build_model_from_file(config)
    except (TypeError, ValueError, AssertionError, KeyError, AttributeError, RuntimeError, OSError) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise LotteryError(f"{config}: ESPnet cannot build this model ({reason}): restore the file"
                           ) from None
    return model


def _config(folder: Path) -> Path:
    """The configuration that ESPnet wrote beside a model."""
    path = folder / "config.yaml"
    if not path.is_file():
        raise LotteryError(f"{path}: not found: give the folder of an ESPnet experiment")
    return path
