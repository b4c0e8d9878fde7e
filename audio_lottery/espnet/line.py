"""Dev scores of ESPnet models along the line between two trained rounds."""

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audio_lottery.connectivity import has_batch_norm, interpolate, points, reestimate
from audio_lottery.criteria import Calibration
from audio_lottery.errors import LotteryError
from audio_lottery.espnet.backend import SCORES
from audio_lottery.espnet.evidence import calibration
from audio_lottery.espnet.models import averaged_model_file, load_state
from audio_lottery.espnet.tasks import resolve
from audio_lottery.fileio import read_yaml

# Scores of which more is better.
RISING = ("acc",)
BATCH_NORM = ("reestimated", "interpolated")


def scores_along(first: Path, second: Path, number: int, task: str = "auto", batches: int | None = None,
                 batch_norm: str = "reestimated", norm_batches: int = 20, model_file: str | None = None,
                 told: Callable[[dict], None] = lambda row: None) -> dict[str, Any]:
    """Score ``number`` evenly spaced points of the line between the models of two round folders.

    The scores are those of ESPnet's validation (loss, cer_ctc, wer, ... as the model has them) on the first folder's
    dev set, averaged over utterances. batches: of dev, None for all. batch_norm: statistics 'reestimated' from
    ``norm_batches`` batches of the training set at every point, the ends too, or 'interpolated' as the weights are.
    model_file: in each folder; None for the average of the n best. told: called with each point's row.
    Returns {"points": [{"share", <score>: ...}], "batch_norm": how, None where the model has none}.
    """
    task = resolve(task, first / "config.yaml")
    args = argparse.Namespace(**read_yaml(first / "config.yaml"))
    a, b = (load_state(one / model_file if model_file else averaged_model_file(one)) for one in (first, second))
    interpolate(a, b, 0.5)  # what does not fit is refused before data is read
    dev = _data(task, args, a, "dev", batches or sys.maxsize, first)
    normed = has_batch_norm(dev.model)
    train = _data(task, args, a, "train", norm_batches, first) if normed and batch_norm == "reestimated" else None
    rows = []
    for share in points(number):
        dev.model.load_state_dict(interpolate(a, b, share))
        if train is not None:
            reestimate(dev.model, train.batches(), _forward)
        rows.append({"share": share, **_validate(dev.model, dev.batches())})
        told(rows[-1])
    return {"points": rows, "batch_norm": batch_norm if normed else None}


def _data(task: str, args: argparse.Namespace, state: Mapping[str, Tensor], part: str, batches: int, folder: Path,
          ) -> Calibration:
    try:
        return calibration(task, args, state, part, batches, False)
    except FileNotFoundError as error:
        raise LotteryError(f"{error.filename}: not found, though {folder / 'config.yaml'} names it: run this in the "
                           "folder that the search was run in") from None


def _forward(model: nn.Module, batch: Mapping[str, Any]) -> tuple[Tensor, dict[str, Any], Tensor]:
    # ESPnet's collated tensors may be written to by a frontend.
    found = model(**{name: value.clone() if isinstance(value, Tensor) else value for name, value in batch.items()})
    return (found["loss"], found["stats"], found["weight"]) if isinstance(found, dict) else found


@torch.no_grad()
def _validate(model: nn.Module, batches: Iterator[Mapping[str, Any]]) -> dict[str, float]:
    """Means weighed as ESPnet's reporter does: by the utterances of a batch."""
    model.eval()
    sums: dict[str, float] = {}
    total = 0.0
    for batch in batches:
        _, stats, weight = _forward(model, batch)
        weight = float(weight)
        total += weight
        for key in SCORES:
            if stats.get(key) is not None:
                sums[key] = sums.get(key, 0.0) + weight * float(stats[key])
    return {key: value / total for key, value in sums.items()}
