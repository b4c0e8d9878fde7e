"""The searches that were kept under egs2/*/asr1/results, sorted into experiments: one recipe, several methods."""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from audio_lottery.config import LotteryConfig
from audio_lottery.config_file import load
from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_json, read_text, read_yaml
from audio_lottery.report.compare import Run
from audio_lottery.report.recipe import backbone, told_apart, traits

# What makes two trainings the same recipe; data, seeds, noise and what a round starts from are told apart otherwise.
RECIPE = ("encoder", "encoder_conf", "decoder", "decoder_conf", "joint_network_conf", "model_conf", "frontend_conf",
          "normalize", "specaug_conf", "optim", "optim_conf", "scheduler", "scheduler_conf", "max_epoch", "batch_type",
          "batch_bins", "batch_size", "accum_grad", "token_type", "input_size")
# Keys in which searches of one method may differ.
FREE = {"rounds": 8, "rate": 0.2, "only_rounds": None, "full_rounds": "last", "seed": 0}
CLEAN = "clean speech"


@dataclass(frozen=True)
class Kept:
    """One kept search. home: where its RESULTS.md lies. where: its corpus and split. traits: of its recipe, in words.

    tokens: in their order, () where it was not recorded. training: its noise. method: its preset's name.
    """

    run: Run
    config: LotteryConfig
    home: Path
    where: str
    backbone: str
    recipe: str
    traits: Mapping[str, str]
    tokens: tuple[str, ...]
    training: str
    method: str
    dev: str

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return self.run.folder

    @property
    def name(self) -> str:
        """Its folder below the recipe's results."""
        return str(self.folder.relative_to(self.home / "results"))

    @cached_property
    def commands(self) -> list[str]:
        """The lines that made it."""
        path = self.folder / "commands.txt"
        return read_text(path).splitlines() if path.exists() else []


@dataclass(frozen=True)
class Experiment:
    """Searches of one recipe on one corpus and split; ``apart``: what tells it from others of its backbone."""

    backbone: str
    where: str
    apart: str
    searches: Sequence[Kept]

    @property
    def name(self) -> str:
        """As in tables."""
        return ", ".join(filter(None, [self.backbone, self.apart]))

    @property
    def trainings(self) -> list[str]:
        """Training conditions, clean speech first."""
        return sorted({one.training for one in self.searches}, key=lambda name: (name != CLEAN, name))

    def methods(self, training: str = CLEAN) -> dict[str, list[Kept]]:
        """Method -> its searches, one a seed; imp, the reference, is first. Several rates are methods of their own."""
        mine = [one for one in self.searches if one.training == training]
        found: dict[str, list[Kept]] = {}
        for one in sorted(mine, key=lambda one: (one.method != "imp", one.method, str(one.folder))):
            rates = {other.config.rate for other in mine if other.method == one.method}
            name = one.method if len(rates) == 1 else f"{one.method}, rate {one.config.rate:g}"
            found.setdefault(name, []).append(one)
        return found


def collect(root: Path) -> list[Experiment]:
    """All kept searches of a tree, sorted by corpus, split and backbone. Raises LotteryError when there is none."""
    ledgers = sorted(root.glob("egs2/*/asr1/results/**/rounds.jsonl"))
    if not ledgers:
        raise LotteryError(f"{root / 'egs2'}: no kept search (egs2/CORPUS/asr1/results/NAME/rounds.jsonl): keep one "
                           "with audio-lottery keep")
    presets = {path.stem: load(path) for path in sorted(root.glob("conf/lottery/*.yaml"))}
    groups: dict[tuple[str, str], dict[str, list[Kept]]] = {}
    for ledger in ledgers:
        one = read(ledger.parent, root, presets)
        groups.setdefault((one.where, one.backbone), {}).setdefault(one.recipe, []).append(one)
    made = []
    for (where, kind), recipes in sorted(groups.items()):
        ranked = sorted((without_repeats(one) for several in recipes.values() for one in by_tokens(several)), key=_rank)
        apart = told_apart([searches[0].traits for searches in ranked])
        made += [Experiment(kind, where, *one) for one in zip(apart, ranked, strict=True)]
    return made


def by_tokens(searches: Sequence[Kept]) -> list[list[Kept]]:
    """Searches of one recipe, apart where the order of their tokens differs: a transfer's target has its source's."""
    orders = Counter(one.tokens for one in searches if one.tokens)
    usual = orders.most_common(1)[0][0] if orders else ()
    found: dict[tuple[str, ...], list[Kept]] = {}
    for one in searches:
        order = one.tokens or usual
        words = "" if order == usual else "tokens in another order"
        found.setdefault(order, []).append(dataclasses.replace(one, traits={**one.traits, "tokens": words}))
    return list(found.values())


def without_repeats(searches: Sequence[Kept]) -> list[Kept]:
    """Without searches that another one holds: the same masks, and the same errors on each set that was scored.

    A grid that searches again what another grid did, with the same seed, gives the same; often one of them was scored
    on more sets. Searches that differ in anything stay, and are refused where two are of one method and seed.
    """
    results = {one.folder: _results(one) for one in searches}
    kept: list[Kept] = []
    for one in sorted(searches, key=lambda one: (-len(results[one.folder]), str(one.folder))):
        if not any((other.run.seed, other.training, other.method, other.config)
                   == (one.run.seed, one.training, one.method, one.config)
                   and results[one.folder].items() <= results[other.folder].items() for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: str(one.folder))


def _results(one: Kept) -> dict[tuple, object]:
    """What a search came to: the masks of its rounds, and its errors by round, inference and set."""
    found: dict[tuple, object] = {}
    for number, row in one.run.rows.items():
        found[number,] = (row.get("mask_digest"), row.get("steps"))
        found |= {(number, tag, name): score.get("errors") for tag, sets in row.get("scores", {}).items()
                  for name, score in sets.items()}
    return found


def _rank(searches: Sequence[Kept]) -> tuple[int, str]:
    """The recipe with most searches first, then by name."""
    return -len(searches), str(min(one.folder for one in searches))


def read(folder: Path, root: Path, presets: Mapping[str, LotteryConfig]) -> Kept:
    """One kept search."""
    training = read_yaml(folder / "training.yaml")
    config = load(folder / "lottery.yaml")
    train, dev = (_data(training, f"{name}_data_path_and_name_and_type") for name in ("train", "valid"))
    split = next((part for part in dev.parts if part not in ("dump", "raw", "fbank", dev.name)), "")
    home = root.joinpath(*folder.relative_to(root).parts[:3])  # results may lie deeper in it
    recipe = json.dumps({key: training.get(key) for key in RECIPE}, sort_keys=True)
    run, stored = Run.read(folder), folder / "features.json"
    size = next((row["numel_whole"] for row in run.rows.values() if "numel_whole" in row), None)
    words = traits(training, read_json(stored)["frontend_conf"] if stored.exists() else None, size)
    where = ", ".join(filter(None, [home.parent.name, split.replace("_", " ")]))
    tokens = training.get("token_list")
    return Kept(run, config, home, where, backbone(training), recipe, words,
                tuple(tokens) if isinstance(tokens, list) else (), noise(training, train.name),
                method(folder, config, presets), dev.name)


def noise(training: Mapping, train: str) -> str:
    """What was trained on: clean speech, or noise at SNRs, mixed on the fly or into the training set's audio."""
    named = re.search(r"_snr(-?[\d.]+)to(-?[\d.]+?)(?:p[\d.]+)?$", train)
    range_ = training.get("train_snr") or (named and named.groups())
    if not range_:
        return CLEAN
    low, high = (float(value) for value in range_)
    return f"noise at {low:g} to {high:g} dB"


def method(folder: Path, config: LotteryConfig, presets: Mapping[str, LotteryConfig]) -> str:
    """The preset that a search is of, but for the keys in which searches of one method may differ."""
    if (folder / "source.json").exists():
        weights = read_json(folder / "source.json").get("weights", True)
        return "transferred ticket" if weights else "transferred mask"
    mine = _plain(config)
    return next((name for name, preset in presets.items() if _plain(preset) == mine), folder.name)


def _plain(config: LotteryConfig) -> dict:
    """What tells methods apart; another search is named by its preset, wherever it lies; scopes of all versions."""
    plain = dataclasses.replace(config, **FREE).to_dict()
    for key in ("masks_from", "small_dense"):
        plain[key] = plain[key] and "imp"
    if "mask" in plain["allocation_conf"]:
        plain["allocation_conf"] = {**plain["allocation_conf"], "mask": "imp"}
    plain["scope"].pop("output_patterns", None)
    return plain


def _data(training: Mapping, key: str) -> Path:
    """The folder of a data set."""
    paths = training.get(key) or [["-/-"]]
    return Path(paths[0][0]).parent
