"""The model that a command is shown: of a search's round, or of an ESPnet configuration."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from audio_lottery import config_file
from audio_lottery.data.features import read_features, training_set
from audio_lottery.errors import LotteryError
from audio_lottery.espnet.command import parse
from audio_lottery.espnet.features import sampling_rate
from audio_lottery.espnet.logs import quiet
from audio_lottery.espnet.models import averaged_model_file, stock_model, weights_of
from audio_lottery.espnet.tasks import get_task, resolve
from audio_lottery.fileio import read_text, read_yaml
from audio_lottery.layout import Layout
from audio_lottery.mask import Mask
from audio_lottery.metrics.macs import AsrMacs, count_asr
from audio_lottery.scope import ScopeConfig


@dataclass(frozen=True)
class Round:
    """A round of a search: its number, scope, mask (None: dense) and a model with its names and shapes."""

    number: int
    scope: ScopeConfig
    mask: Mask | None
    model: torch.nn.Module


def round_of(folder: Path, number: int | None, task: str) -> Round:
    """A round of a search's folder, by default the latest that has a mask; its model has fresh weights."""
    layout = Layout(folder)
    if not (layout.round(0) / "config.yaml").is_file() or not layout.config.is_file():
        raise LotteryError(f"{folder}: not a search's folder (no lottery.yaml or round_00/config.yaml): "
                           "give one made by audio-lottery find")
    if number is None:
        masks = folder.glob("masks/round_*.safetensors")
        number = max((int(path.stem.removeprefix("round_")) for path in masks), default=0)
    mask = Mask.load(layout.mask(number)) if number else None
    return Round(number, config_file.load(layout.config).scope, mask, stock_model(layout.round(0), task))


def load_round(folder: Path, found: Round) -> None:
    """Give the model the round's own weights; of a round that is not trained (yet), its mask on fresh ones."""
    layout = Layout(folder)
    if layout.done(found.number).exists():
        weights = weights_of(found.model, averaged_model_file(layout.round(found.number)))
        with torch.no_grad():
            for name, parameter in found.model.named_parameters():
                parameter.copy_(weights[name])
    elif found.mask is not None:
        found.mask.apply_(found.model)


def configured_model(path: str, task: str, token_list: str | None) -> torch.nn.Module:
    """The model of an ESPnet configuration, with fresh weights.

    token_list: tokens.txt, for a configuration that names no tokens.
    """
    config = read_yaml(path)
    name = resolve(task, path)
    espnet_task = get_task(name)
    try:
        if token_list is None and isinstance(config.get("token_list"), list):
            with quiet():
                return espnet_task.build_model_from_file(path)[0]
        tokens = token_list or config.get("token_list")
        if not tokens:
            raise LotteryError(f"{path}: names no tokens: give --token_list tokens.txt")
        read_text(tokens)
        options = parse(name, ["--config", path, "--output_dir", "unused", "--token_list", tokens])
        with quiet():
            return espnet_task.build_model(options)
    except (TypeError, ValueError, AssertionError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise LotteryError(f"{path}: ESPnet cannot build this model ({reason}): correct it") from None


def features_of(config: Mapping) -> dict[str, Any]:
    """What metrics.macs.count_asr needs to know of what a model of this ESPnet configuration takes."""
    rate = sampling_rate(config.get("frontend_conf"))
    if config.get("input_size") is None:
        return {"fs": rate}
    folder = training_set(config)
    features = read_features(folder) if folder else None
    frames = features.frames_per_second if features else 100.0
    return {"fs": rate, "feature_size": config["input_size"], "frames_per_second": frames}


def macs_of(model: torch.nn.Module, config: Mapping, seconds: float, tokens: int) -> AsrMacs:
    """MACs for ``seconds`` of audio; a length that the model cannot take is a LotteryError."""
    from espnet2.asr_transducer.utils import TooShortUttError as TooShortTransducerUtt
    from espnet2.legacy.nets.pytorch_backend.transformer.subsampling import TooShortUttError

    try:
        return count_asr(model, seconds, tokens=tokens, **features_of(config))
    except (TooShortUttError, TooShortTransducerUtt, RuntimeError) as error:
        reason = " ".join(str(error.args[0] if error.args else error).split())
        raise LotteryError(f"MACs: {seconds:g} s of audio are too short for this model ({reason}): take more") from None
