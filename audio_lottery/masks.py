"""The masks of a search: made from trained weights by its configuration, or taken from another search."""

import dataclasses
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from torch import Tensor, nn

from audio_lottery import granularity, maskfile, snapshot
from audio_lottery.allocation import Allocation
from audio_lottery.allocation.copied import Copied
from audio_lottery.config import LotteryConfig
from audio_lottery.criteria import Evidence, criteria, needs_data, needs_start
from audio_lottery.errors import LotteryError
from audio_lottery.gates import Blocks, blocks_of, split
from audio_lottery.granularity import Groups, Selector, groups_of
from audio_lottery.granularity.weight import Weights
from audio_lottery.layout import Backend, Layout
from audio_lottery.mask import Mask, named_tensors
from audio_lottery.pruning import prune_to
from audio_lottery.scope import classify
from audio_lottery.starts import start_state


def bind(layout: Layout, config: LotteryConfig, backend: Backend) -> Selector:
    """What may be pruned, in which groups. Writes nothing, so that a refused search can be mended.

    Raises LotteryError, before any training, when the configured rounds cannot be had: masks that another
    search doesn't have, groups too large for a round, bounds or criteria that don't fit the tensors.
    """
    if config.masks_from:
        return _bind_taken(layout, config, backend)
    names = backend.scope()
    if config.granularity == "weight" and config.allocation == "global" and config.criterion not in needs_data:
        return Weights(tuple(names))
    network = backend.network()
    tensors = named_tensors(network)
    blocks = _blocks(config, network, names)
    selector = selector_of(config, network, names)
    if groups := groups_of(selector):
        _refuse_idle_rounds(config, groups)
    parts = split({name: tensors[name] for name in selector.names}, blocks)
    sizes = {name: part.numel() for name, part in parts.items()}
    schedule, numel = config.make_schedule(), sum(sizes.values())
    kept = [schedule.kept(number, numel) for number in range(1, config.rounds + 1)]
    allocation_of(layout, config).check(sizes, kept)
    if config.criterion in needs_data and not layout.done(0).exists():
        _try_criterion(config, backend, selector, network)
    return selector


def selector_of(config: LotteryConfig, network: nn.Module, names: Iterable[str]) -> Selector:
    """The configured granularity bound to the tensors ``names`` of a network."""
    tensors = named_tensors(network)
    return granularity.bind(granularity.parse(config.granularity), {name: tuple(tensors[name].shape) for name in names},
                            network, _blocks(config, network, names))


def keep_groups(layout: Layout, selector: Selector) -> None:
    """Keep the groups in the search's folder, for its checks."""
    if (groups := groups_of(selector)) and not layout.groups.exists():
        groups.save(layout.groups)


def make(layout: Layout, config: LotteryConfig, backend: Backend, selector: Selector, number: int) -> None:
    """Write the mask of a round, unless it is there or the round is dense."""
    path = layout.mask(number)
    if number == 0 or path.exists():
        return
    if config.masks_from:
        taken = find_search(layout.folder, config.masks_from).mask(number)
        Mask.load(taken).save(path, {"round": str(number), "from": str(taken)})
        return
    if config.within:
        if not config.changes(number):  # otherwise the round itself finds it
            _take(layout.found(layout.search_run, number), path)
        return
    weights = _scored(layout, config, backend, number)
    before = Mask.load(layout.mask(number - 1)) if number > 1 else Mask.ones(weights, selector.names)
    began = time.perf_counter()
    after = _prune(layout, config, backend, selector, number, weights, before)
    after.save(path, {"round": str(number), "rate": str(config.make_schedule().rate_of(number)),
                      "criterion": config.criterion, "granularity": config.granularity,
                      "allocation": config.allocation, "prune_from": config.prune_from,
                      "seconds": f"{time.perf_counter() - began:.3f}"})


def keep_last(layout: Layout, number: int, epoch: int) -> None:
    """The mask that a round ended with becomes the round's own."""
    if not layout.mask(number).exists():
        _take(layout.changing(layout.round(number), epoch), layout.mask(number))


def _take(source: Path, path: Path) -> None:
    mask, metadata = maskfile.read(source)
    mask.save(path, metadata)


def find_search(folder: Path, name: str) -> Layout:
    """The search called ``name``: its folder, or the preset of one beside ``folder``.

    ``imp`` beside ``exp/conformer_word_random_ticket`` is ``exp/conformer_word_imp``.
    """
    if Path(name).is_dir():
        return Layout(Path(name))
    beside = [one for one in folder.resolve().parent.glob(f"*{name}")
              if one.is_dir() and folder.resolve().name.startswith(one.name.removesuffix(name))]
    if not beside or "/" in name:
        raise LotteryError(f"{name}: no search of this name beside {folder}: run it first, or name its folder")
    return Layout(max(beside, key=lambda one: len(one.name)))


def _prune(layout: Layout, config: LotteryConfig, backend: Backend, selector: Selector, number: int,
           weights: Mapping[str, Tensor], mask: Mask) -> Mask:
    allocation, conf = allocation_of(layout, config), config.make_criterion_conf()
    calibration, start = None, None
    if config.criterion in needs_data:
        state = _state(layout, config, backend, number)
        calibration = backend.calibration(state, conf.set, conf.batches, config.prune_from == "init")
    if config.criterion in needs_start:
        start = start_state(layout, config, backend, tuple(mask), _scored_round(config, number))
    keep, kept = min(config.make_schedule().kept(number, mask.numel), mask.kept), mask.kept
    for step in range(1, conf.iterations + 1):
        target = keep if step == conf.iterations else round(kept * (keep / kept) ** (step / conf.iterations))
        if calibration is not None:
            mask.apply_(calibration.model)
            weights = named_tensors(calibration.model)
        evidence = Evidence.of(weights, mask, seed=config.seed, start=start, calibration=calibration)
        mask = prune_to(min(target, mask.kept), mask, evidence, config.criterion, allocation, selector, number)
    return mask


def _blocks(config: LotteryConfig, network: nn.Module, names: Iterable[str]) -> Blocks:
    """The gates that are tensors of their own, if any are to be."""
    if not config.scope.gates:
        return {}
    kinds = classify(network, config.scope)
    return blocks_of({name: kinds[name] for name in names})


def allocation_of(layout: Layout, config: LotteryConfig) -> Allocation:
    """The allocation; one that copies from another search finds it."""
    allocation = config.make_allocation()
    if isinstance(allocation, Copied) and not Path(allocation.mask).exists():
        return dataclasses.replace(allocation, mask=str(find_search(layout.folder, allocation.mask).folder))
    return allocation


def _try_criterion(config: LotteryConfig, backend: Backend, selector: Selector, network: nn.Module) -> None:
    """Score untrained weights on one batch, so that what cannot be scored is refused before any training."""
    part = config.make_criterion_conf().set
    calibration = backend.calibration(network.state_dict(), part, 1, True)
    tensors = named_tensors(calibration.model)
    evidence = Evidence({name: tensors[name] for name in selector.names}, calibration=calibration)
    for name in selector.names:
        criteria.get(config.criterion)(name, evidence)


def _scored(layout: Layout, config: LotteryConfig, backend: Backend, number: int) -> Mapping[str, Tensor]:
    kept = _kept(layout, config, number)
    return snapshot.load(kept) if kept else backend.weights(*_source(layout, config, number))


def _state(layout: Layout, config: LotteryConfig, backend: Backend, number: int) -> Mapping[str, Tensor]:
    """The scored weights with everything else of the network's state."""
    kept = _kept(layout, config, number)
    return snapshot.load(kept) if kept else backend.state(*_source(layout, config, number))


def _kept(layout: Layout, config: LotteryConfig, number: int) -> Path | None:
    """The file of the scored state, where it was kept beside the models: the initial one, or that of a stop."""
    if config.prune_from == "init":
        return layout.theta0
    stopped = layout.stopped(_source(layout, config, number)[0])
    return stopped if config.stop and stopped.exists() else None


def _source(layout: Layout, config: LotteryConfig, number: int) -> tuple[Path, str]:
    """The run whose weights are scored, and which of them."""
    source = "last" if config.prune_from == "dense" else config.prune_from
    return layout.round(_scored_round(config, number)), source


def _scored_round(config: LotteryConfig, number: int) -> int:
    return 0 if config.prune_from == "dense" else number - 1


def _bind_taken(layout: Layout, config: LotteryConfig, backend: Backend) -> Selector:
    other, network = find_search(layout.folder, config.masks_from), backend.network()
    names = tuple(backend.scope())
    for number in range(1, config.rounds + 1):
        if not other.mask(number).exists():
            raise LotteryError(f"masks_from: {other.mask(number)} is not there: run that search to round "
                               f"{config.rounds}, or take rounds: {number - 1}")
        mask = Mask.load(other.mask(number))
        mask.validate(network)
        names = tuple(mask)
    return Weights(names)


def _refuse_idle_rounds(config: LotteryConfig, groups: Groups) -> None:
    sizes = groups.sizes()
    numel, schedule = int(sizes.sum()), config.make_schedule()
    # Groups that are chosen together: all, or those of each layer.
    parts = [len(sizes)] if config.make_allocation().carries else groups.per_unit()
    left = [sum(round(schedule.kept(number, numel) * part / numel) for part in parts)
            for number in range(config.rounds + 1)]
    for number in range(1, config.rounds + 1):
        if left[number] == left[number - 1]:
            raise LotteryError(f"granularity: {config.granularity}: round {number} would prune nothing, {left[number]} "
                               f"of {len(sizes)} groups remain before and after it: take rounds: {number - 1}, a "
                               "higher rate, or list the densities")
