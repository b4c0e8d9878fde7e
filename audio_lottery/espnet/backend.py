"""Rounds trained by ESPnet: the :class:`audio_lottery.rounds.Backend` of the recipes."""

import logging
import math
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from audio_lottery.criteria import Calibration
from audio_lottery.errors import LotteryError
from audio_lottery.espnet import archive
from audio_lottery.espnet.command import Recipe, parse
from audio_lottery.espnet.heads import refuse_heads
from audio_lottery.espnet.launch import Launcher
from audio_lottery.espnet.logs import logged_to, quiet
from audio_lottery.espnet.models import averaged_model_file, load_state
from audio_lottery.espnet.sources import features_of
from audio_lottery.espnet.tasks import get_task
from audio_lottery.espnet.trainer import SELECTION, kept_models, refuse_unsupported
from audio_lottery.espnet.versions import git_hash, versions
from audio_lottery.fileio import read_json
from audio_lottery.metrics.macs import AsrMacs, count_asr
from audio_lottery.scope import ScopeConfig, find_scope, unknown_tensors
from audio_lottery.search import Length

log = logging.getLogger("audio_lottery")
# Dev scores that the ledger keeps, where a model has them.
SCORES = ("loss", "loss_ctc", "loss_transducer", "cer_ctc", "cer", "wer", "acc")
# Length of audio that MACs are stated for.
MACS_SECONDS = 10.0
# Added to the training's seed to draw other initial weights.
FRESH_SEED = 10_000
# ESPnet options that a search may be continued with otherwise: where and how it runs, what it shows.
HARMLESS = {
    "config", "output_dir", "ngpu", "num_workers", "num_att_plot", "log_level", "log_interval", "dry_run", "required",
    "use_matplotlib", "use_tensorboard", "use_wandb", "wandb_project", "wandb_id", "wandb_entity", "wandb_name",
    "wandb_model_log_interval", "print_config", "resume", "max_cache_size", "max_cache_fd",
    "valid_max_cache_size", "create_graph_in_tensorboard", "version",
    "dist_backend", "dist_init_method", "dist_world_size", "dist_rank", "local_rank", "dist_master_addr",
    "dist_master_port", "dist_launcher", "multiprocessing_distributed", "distributed",
}


class EspnetBackend:
    """Trains each round as an ordinary ESPnet experiment, in this process or in its own."""

    def __init__(self, recipe: Recipe, scope: ScopeConfig, separate: bool = False, launcher: Launcher | None = None):
        recipe.check()
        self.recipe, self.scope_config = recipe, scope
        self.launcher = launcher or Launcher(recipe.ngpu)
        self.separate = separate or self.launcher.apart

    @cached_property
    def args(self):
        """The parsed ESPnet options, without those of a round."""
        args = parse(self.recipe.task, self.recipe.training("unused"))
        refuse_unsupported(args, f"{self.recipe.asr_config}: ")
        refuse_heads(args, f"{self.recipe.asr_config}: ")
        return args

    @cached_property
    def model(self) -> torch.nn.Module:
        """An untrained model of the recipe, for names, shapes and MACs."""
        try:
            with quiet():
                return get_task(self.recipe.task).build_model(self.args)
        except (TypeError, ValueError, AssertionError) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            config = self.recipe.asr_config
            raise LotteryError(f"{config}: ESPnet cannot build this model ({reason}): mend it") from None

    @property
    def tokens(self) -> list[str]:
        """The token list, blank first."""
        return list(self.model.token_list)

    def settings(self) -> dict[str, Any]:
        """The ESPnet options, without those that change nothing in the result."""
        return {key: value for key, value in vars(self.args).items() if key not in HARMLESS}

    def scope(self) -> list[str]:
        """Names of the tensors that may be pruned, in network order; says which ones nobody knows."""
        found = list(find_scope(self.model, self.scope_config))
        for name, shape in unknown_tensors(self.model).items():
            if name not in found:
                log.warning("%s %s stays dense: it is of a module that the scope does not know; "
                            "a pattern of scope.include that matches its whole name prunes it", name, list(shape))
        return found

    def train(self, round_folder: Path, options: Mapping[str, str]) -> None:
        """Train one round to its end; a killed one goes on from its last whole epoch."""
        extra = [word for name, value in options.items() for word in (f"--ticket_{name}", value)]
        command = self.recipe.training(round_folder, extra)
        log = round_folder / "train.log"
        if not self.separate:
            parse(self.recipe.task, command)
            with logged_to(log):
                get_task(self.recipe.task).main(cmd=command)
            return
        words = [sys.executable, "-m", "audio_lottery.bin.train", "--task", self.recipe.task, *command]
        self.launcher.run(words, round_folder, log)

    def length(self) -> Length:
        """Epochs, and optimiser steps of an epoch, that the configuration asks for."""
        from audio_lottery.espnet.evidence import batches_per_epoch

        if self.args.patience is not None:
            raise LotteryError(f"{self.recipe.asr_config}: patience: {self.args.patience}: searches within a training "
                               "run, and stops, need to know its length: leave patience out")
        batches = batches_per_epoch(self.recipe.task, self.args, self.launcher.ranks)
        return Length(self.args.max_epoch, batches // self.args.accum_grad, kept_models(self.args))

    def shares(self) -> dict[str, float]:
        """Name -> the tensor's share of the MACs of encoder, output layer and decoder, in training."""
        macs = self._macs()
        return {name: tensor.dense / _trained(macs) for name, tensor in macs.tensors.items()}

    def network(self) -> torch.nn.Module:
        """The untrained model."""
        return self.model

    def state(self, round_folder: Path, source: str) -> dict[str, torch.Tensor]:
        """The model at a round's end: the last epoch's, or the average of the n best on dev."""
        return load_state(round_folder / "latest.pth" if source == "last" else averaged_model_file(round_folder))

    def weights(self, round_folder: Path, source: str) -> dict[str, torch.Tensor]:
        """Its parameters."""
        state = self.state(round_folder, source)
        return {name: state[name] for name, _ in self.model.named_parameters()}

    def fresh(self, seed: int) -> dict[str, torch.Tensor]:
        """Initial weights that ESPnet draws from another seed than the training's."""
        return self._drawn(self.args.seed + FRESH_SEED + seed)

    def initial(self) -> dict[str, torch.Tensor]:
        """The initial weights that the recipe's own training starts from."""
        return self._drawn(self.args.seed)

    def _drawn(self, seed: int) -> dict[str, torch.Tensor]:
        from espnet2.torch_utils.set_all_random_seed import set_all_random_seed

        with quiet():
            set_all_random_seed(seed)
            return get_task(self.recipe.task).build_model(self.args).state_dict()

    def learning_rate(self, round_folder: Path) -> float:
        """The learning rate of a round's last step; one for all parameters, or it is refused."""
        states = load_state(round_folder / "checkpoint.pth")["optimizers"]
        rates = {float(group["lr"]) for one in states for group in one["param_groups"]}
        if len(rates) > 1:
            raise LotteryError(f"{round_folder}: restart: finetune with several learning rates ({sorted(rates)}): take "
                               "restart: learning_rate")
        return rates.pop()

    def calibration(self, state: Mapping[str, torch.Tensor], part: str, batches: int, initial: bool) -> Calibration:
        """Batches of ESPnet's iterators and a model that holds ``state``."""
        from audio_lottery.espnet.evidence import calibration

        made = calibration(self.recipe.task, self.args, state, part, batches, initial)
        if (found := sum(1 for _ in made.batches())) < batches:
            log.warning("criterion_conf: batches: %d asked for, the %s set has %d: all are taken", batches, part, found)
        return made

    def archive(self, round_folder: Path, mask: Path | None) -> None:
        """Keep a round as a ticket file only."""
        if archive.archived(round_folder):
            archive.tidy(round_folder)
        else:
            archive.archive(round_folder, averaged_model_file(round_folder), mask)

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Those of a training."""
        return get_task(self.recipe.task).build_optimizers(self.args, self.model)

    def facts(self, round_folder: Path) -> dict[str, Any]:
        """What the ledger keeps beside counts: training effort, dev scores, MACs, seed, versions."""
        self.model.load_state_dict(load_state(averaged_model_file(round_folder)))
        macs = self._macs()
        zero = sum(tensor.dense - tensor.sparse for tensor in macs.tensors.values())
        return {
            **self._effort(round_folder),
            "macs": macs.to_dict(), "macs_density": 1 - zero / _trained(macs),
            "versions": versions(), "git": git_hash(),
        }

    def _effort(self, round_folder: Path) -> dict[str, Any]:
        """What a round took and reached; of one that was taken from elsewhere, what is known of it."""
        imported = round_folder / "imported.json"
        if imported.exists():
            about = read_json(imported)
            source = {key: about[key] for key in ("from", "model", "sha256", "theta0")}
            valid = _valid_scores(round_folder) if (round_folder / "checkpoint.pth").exists() else {}
            return {"seed": None, "epochs": about["epochs"], "steps": about.get("steps"), "valid": valid,
                    "imported": source}
        steps = read_json(round_folder / "steps.json")
        epoch = max(map(int, steps))
        return {"seed": self.args.seed, "epochs": epoch, "steps": steps[str(epoch)],
                "valid": _valid_scores(round_folder)}

    def _macs(self) -> AsrMacs:
        return count_asr(self.model, MACS_SECONDS, **features_of(vars(self.args)))


def _trained(macs: AsrMacs) -> int:
    """MACs of a forward pass without the front end: what a training step makes three times."""
    decoder = macs.decoder.attention * macs.decoder.tokens if macs.decoder else 0
    return macs.attention + decoder + sum(tensor.dense for tensor in macs.tensors.values())


def _valid_scores(round_folder: Path) -> dict[str, float]:
    """Dev scores of the epoch with the lowest dev loss."""
    states = torch.load(round_folder / "checkpoint.pth", map_location="cpu", weights_only=True)
    epochs = [values["valid"] for values in states["reporter"]["stats"].values() if "valid" in values]
    best = min(epochs, key=lambda scores: scores.get("loss" + SELECTION, scores.get("loss", math.inf)))
    return {key: float(best[key]) for key in SCORES
            if isinstance(best.get(key), int | float) and math.isfinite(best[key])}
