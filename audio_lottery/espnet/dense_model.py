"""Round 0 taken from a trained ESPnet model (``--dense_model``) instead of trained."""

import argparse
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from audio_lottery import snapshot
from audio_lottery.architecture import refuse_other
from audio_lottery.config import LotteryConfig
from audio_lottery.criteria import needs_start
from audio_lottery.errors import LotteryError
from audio_lottery.espnet.backend import EspnetBackend
from audio_lottery.espnet.models import load_state
from audio_lottery.espnet.trained import (
    Trained,
    read_checkpoint,
    read_trained,
    refuse_other_modules,
    refuse_other_tokens,
    refuse_other_version,
    token_list,
)
from audio_lottery.fileio import atomic_path, read_json, sha256, write_json
from audio_lottery.layout import Layout

State = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class DenseModel:
    """A trained model that fits the recipe, and the weights that a search may rewind to, where they are kept."""

    source: Trained
    last: State | None
    theta0: State | None
    thetak: State | None
    about: Mapping[str, Any]
    args: argparse.Namespace

    def begin(self, layout: Layout) -> None:
        """Make round 0 of it, once; a search whose round 0 is another is refused."""
        folder = layout.round(0)
        if layout.done(0).exists():
            before = read_json(layout.imported) if layout.imported.exists() else {}
            if before.get("sha256") != self.about["sha256"]:
                was = before.get("model", "trained here")
                raise LotteryError(f"{folder}: round 0 of this search is {was}, not {self.about['model']}: take "
                                   "another folder (--asr_tag, --expdir)")
            return
        if (folder / "train.log").exists():
            raise LotteryError(f"{folder}: round 0 of this search is being trained: take another folder (--asr_tag, "
                               "--expdir)")
        shutil.rmtree(folder, ignore_errors=True)  # of a killed import
        folder.mkdir(parents=True)
        for path, state in ((layout.theta0, self.theta0), (layout.thetak, self.thetak)):
            path.unlink(missing_ok=True)
            if state is not None:
                snapshot.save(path, state, {"kind": path.stem, "from": self.about["theta0"]})
        self._write_config(folder)
        phase, key, _ = self.args.best_model_criterion[0]
        average = folder / f"{phase}.{key}.ave.pth"
        _save(average, self.source.state)
        if self.last is None:
            os.symlink(average.name, folder / "latest.pth")
        else:
            _save(folder / "latest.pth", self.last)
            with atomic_path(folder / "checkpoint.pth") as temporary:
                shutil.copyfile(self.source.checkpoint, temporary)
        write_json(layout.imported, dict(self.about))
        write_json(layout.done(0), {"round": 0, "seconds": 0.0})

    def _write_config(self, folder: Path) -> None:
        """As ESPnet writes it: the options of the recipe, whose model this is."""
        from espnet2.utils.yaml_no_alias_safe_dump import yaml_no_alias_safe_dump

        config = {**vars(self.args), "output_dir": str(folder), "version": self.about["espnet"]}
        with atomic_path(folder / "config.yaml") as temporary, open(temporary, "w", encoding="utf-8") as stream:
            yaml_no_alias_safe_dump(config, stream, indent=4, sort_keys=False)


def read(path: str, theta0: str | None, backend: EspnetBackend, config: LotteryConfig) -> DenseModel:
    """Read and check it; what does not fit recipe or configuration is a :class:`LotteryError`. Writes nothing."""
    own = backend.model.state_dict()
    source = read_trained(Path(path), sum(value.nbytes for value in own.values()))
    refuse_other_version(source.config, path)
    refuse_other_tokens(token_list(source.config, path), backend.tokens, path)
    refuse_other(own, source.state, str(source.model))
    refuse_other_modules(source.config, path, backend.recipe.task, backend.args)
    last = epochs = None
    if source.checkpoint is not None:
        last, epochs = read_checkpoint(source.checkpoint)
        refuse_other(own, last, str(source.checkpoint))
    where, start, later = _starts(source, theta0, config)
    for state in filter(None, (start, later)):
        refuse_other(own, state, str(where))
    _refuse_restart(path, config, source, start is not None)
    about = {"from": path, "model": str(source.model), "sha256": sha256(source.model), "epochs": epochs,
             "steps": _steps(source.folder),
             "espnet": source.config.get("version"), "theta0": None if where is None else str(where),
             "tensors": snapshot.digests(source.state),
             "parameters": [name for name, _ in backend.model.named_parameters()]}
    return DenseModel(source, last, start, later, about, backend.args)


def _starts(source: Trained, theta0: str | None, config: LotteryConfig,
            ) -> tuple[Path | None, State | None, State | None]:
    """The file of the initial weights, these, and those of step k where rounds rewind to them."""
    search = Layout(source.folder.parent)
    beside = search.theta0.is_file() and source.folder.name.startswith("round_")
    if theta0 is None and not beside:
        return None, None, None
    path = Path(theta0) if theta0 else search.theta0
    start = load_state(path) if path.suffix == ".pth" else snapshot.load(path)
    if config.rewind == "0":
        return path, start, None
    kept = path.parent / search.thetak.name
    moment = snapshot.metadata(kept).get("moment") if kept.is_file() else None
    if moment != config.rewind:
        raise LotteryError(f"rewind: {config.rewind}: {kept} holds {moment or 'nothing'}: take rewind: {moment or 0}, "
                           "or restart: learning_rate")
    return path, start, snapshot.load(kept)


def _steps(folder: Path) -> int | None:
    """Optimiser steps of its training, which a search counts; ESPnet alone doesn't."""
    path = folder / "steps.json"
    return max(read_json(path).values()) if path.is_file() else None


def _refuse_restart(path: str, config: LotteryConfig, source: Trained, has_start: bool) -> None:
    if config.restart == "finetune" and source.checkpoint is None:
        raise LotteryError(f"{path}: has no checkpoint.pth, which knows the last learning rate that restart: finetune "
                           "goes on with: take restart: learning_rate")
    uses = {f"restart: {config.restart}": config.restart in ("rewind", "sign"),
            "prune_from: init": config.prune_from == "init",
            f"criterion: {config.criterion}": config.criterion in needs_start}
    for use in (use for use, needed in uses.items() if needed and not has_start):
        raise LotteryError(f"{path}: its initial weights are not kept, which {use} needs: name their file (--theta0), "
                           "or take restart: learning_rate or finetune with a criterion on trained weights")


def _save(path: Path, state: State) -> None:
    with atomic_path(path) as temporary:
        torch.save(dict(state), temporary)
