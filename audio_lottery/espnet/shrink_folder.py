"""A shrunk round as an experiment folder of its own, proved equal before anybody sees it."""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import nn

from audio_lottery.errors import LotteryError
from audio_lottery.espnet import equality
from audio_lottery.espnet.backend import MACS_SECONDS
from audio_lottery.espnet.shrink import Shrunk, load, shrink, task_of
from audio_lottery.espnet.sources import macs_of
from audio_lottery.export.folder import locate
from audio_lottery.fileio import atomic_path, write_json, write_text

TOLERANCE = 1e-5
REPORT = "shrink.json"


def shrink_round(folder: Path, out: Path, exact_sizes: bool = False) -> dict[str, Any]:
    """Write the shrunk model of a round's folder to ``out``; the report, which is also ``out``/shrink.json.

    Raises LotteryError when nothing can be removed, or (then nothing is left in ``out``) when what ESPnet
    builds from ``out`` computes other than the masked model.
    """
    model, config, file = load(folder)
    shrunk = shrink(model, config, exact_sizes)
    if not shrunk.smaller:
        raise LotteryError(f"{folder}: nothing can be removed: {_reason(shrunk)}")
    inputs, source = equality.utterances(config, task_of(folder), model)
    made = out / file.name
    try:
        _write(shrunk, folder, out, made)
        built, *_ = load(out)
        difference = equality.difference(model, built, inputs)
        if not difference <= TOLERANCE:
            raise LotteryError(f"{folder}: the shrunk model's output differs by {difference:.1e} on {source}, more "
                               f"than {TOLERANCE:g}: please report this with its config.yaml")
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    report = {
        "round": str(folder), "exact_sizes": exact_sizes, "difference": difference, "compared_on": source,
        "changes": [dataclasses.asdict(change) for change in shrunk.changes],
        "parameters": [sum(one.numel() for one in network.parameters()) for network in (model, built)],
        "macs": [_macs(network, config) for network in (model, built)],
        "bytes": [os.stat(path).st_size for path in (file, made)],
    }
    write_json(out / REPORT, report)
    return report


def _write(shrunk: Shrunk, folder: Path, out: Path, model_file: Path) -> None:
    """config.yaml, the model, and copies of the files that the configuration names."""
    config = dict(shrunk.config)
    out.mkdir(parents=True, exist_ok=True)
    if config.get("bpemodel"):
        config["bpemodel"] = _copy(locate(config["bpemodel"], folder), out)
    normalize = config.get("normalize_conf") or {}
    if isinstance(normalize.get("stats_file"), str):
        copied = _copy(locate(normalize["stats_file"], folder), out)
        config["normalize_conf"] = {**normalize, "stats_file": copied}
    config["output_dir"] = str(out)
    write_text(out / "config.yaml", yaml.safe_dump(config, allow_unicode=True, sort_keys=False))
    with atomic_path(model_file) as temporary:
        torch.save(shrunk.model.state_dict(), temporary)


def _copy(path: Path, out: Path) -> str:
    with atomic_path(out / path.name) as temporary:
        shutil.copyfile(path, temporary)
    return str(out / path.name)


def _macs(model: nn.Module, config: dict[str, Any]) -> int:
    """For ten seconds and ten tokens, of all but a search's beam; products with zeros are counted too."""
    counted = macs_of(model, config, MACS_SECONDS, tokens=10)
    decoder = counted.decoder
    if decoder is None:
        return counted.dense
    return counted.dense + decoder.utterance.dense + decoder.tokens * (decoder.token.dense + decoder.attention)


def _reason(shrunk: Shrunk) -> str:
    """Why nothing goes, and what to do."""
    idle = [f"{change.key}: {change.why}" for change in shrunk.changes if change.idle]
    if idle:
        return f"{'; '.join(idle)}: try --exact_sizes true"
    return ("no head, channel or layer is empty: prune with granularity: ffn_channel, head, conv_channel or layer, "
            "best with allocation: even")
