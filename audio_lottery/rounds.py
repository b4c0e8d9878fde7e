"""Iterative magnitude pruning with rewinding: a state machine whose finished steps are skipped.

Frankle and Carbin, "The Lottery Ticket Hypothesis", ICLR 2019; rewinding to step k after Frankle et
al., "Linear Mode Connectivity and the Lottery Ticket Hypothesis", ICML 2020; on speech Ding et al.,
"Audio Lottery", ICLR 2022. Any trainer can stand behind the :class:`Backend` protocol.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from audio_lottery import masks
from audio_lottery.config import LotteryConfig
from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_json, read_yaml, sweep, write_json, write_text
from audio_lottery.layout import Backend, Layout
from audio_lottery.ledger import Ledger
from audio_lottery.lock import locked
from audio_lottery.mask import Mask
from audio_lottery.moment import Moment
from audio_lottery.search import cost, plan
from audio_lottery.starts import start_options
from audio_lottery.zeros import count

# A search may be continued with other values of these: with more rounds.
MORE = ("rounds", "only_rounds")


def search(folder: str | Path, config: LotteryConfig, backend: Backend, last_round: int | None = None,
           begins: Iterable[Callable[[Layout], None]] = (), archive: bool = False) -> None:
    """Run rounds 0 (dense) to ``last_round`` (default: all).

    begins: put in place what the search starts from, instead of a dense training or masks of its own.
    archive: keep a round as a ticket, without its model files, when the mask after it is made.
    What is finished is skipped; of rounds that ``only_rounds`` leaves out, nothing but the mask is made.
    A killed search called again ends with the same masks and weights as one that was never killed.
    """
    config.check()
    if archive:
        _refuse_archive(config)
    layout = Layout(Path(folder))
    last = config.rounds if last_round is None else min(last_round, config.rounds)
    with locked(layout.folder):
        _sweep(layout)
        for begin in begins:
            begin(layout)
        selector = masks.bind(layout, config, backend)
        plan.check(layout, config, backend, selector.names)
        _keep(layout.config, config.to_dict(), LotteryConfig().to_dict(), config.fixes_rounds)
        _keep(layout.training, backend.settings())
        masks.keep_groups(layout, selector)
        for number in range(last + 1):
            if number == 1:
                _find_masks(layout, config, backend)
            masks.make(layout, config, backend, selector, number)
            if archive:
                _archive(layout, config, backend, number)
            if not config.trains(number):
                continue
            _train(layout, config, backend, selector.names, number)
            _record(layout, config, backend, selector.names, number)


def _sweep(layout: Layout) -> None:
    """Remove temporary files of a killed search; those of scoring, which may run beside this one, are left."""
    for path in (layout.theta0, layout.thetak, layout.fresh, layout.groups, layout.config, layout.training):
        sweep(path)
    for run in (layout.folder, layout.source, layout.search_run, *layout.folder.glob("round_*")):
        for left in (*run.glob("masks/.*.tmp"), *(run.glob(".*.tmp") if run != layout.folder else ())):
            left.unlink(missing_ok=True)


def _refuse_archive(config: LotteryConfig) -> None:
    if config.restart not in ("rewind", "fresh"):
        raise LotteryError(f"--archive_rounds true: rounds of restart: {config.restart} go on from weights of the last "
                           "epoch, which an archived round has no more: take restart: rewind, or keep the rounds")


def _archive(layout: Layout, config: LotteryConfig, backend: Backend, number: int) -> None:
    """Archive the rounds before ``number``, whose mask is made."""
    for earlier in (one for one in layout.finished() if one < number):
        if earlier or config.prune_from != "dense":
            backend.archive(layout.round(earlier), layout.mask(earlier) if earlier else None)


def _keep(path: Path, now: Mapping[str, Any], defaults: Mapping[str, Any] | None = None, fixed: bool = False) -> None:
    """Write settings once; a search is not continued under others (but for more rounds, unless these are fixed)."""
    now = yaml.safe_load(yaml.safe_dump(dict(now)))
    if path.exists():
        # An older version's file lacks what is now as it was then; of a backend's settings, it may hold ones that
        # are not compared any more.
        before = read_yaml(path)
        for key, value in (defaults or {}).items():
            before[key] = {**value, **before.get(key, {})} if isinstance(value, dict) else before.get(key, value)
        for key in sorted(now.keys() if defaults is None else before.keys() | now.keys()):
            if (key not in MORE or key == "rounds" and fixed) and before.get(key) != now.get(key):
                raise LotteryError(f"{path}: this search was begun with {key}: {before.get(key)}, not "
                                   f"{now.get(key)}: take that, or another folder (--asr_tag, --expdir)")
    write_text(path, yaml.safe_dump(now, sort_keys=False))


def _train(layout: Layout, config: LotteryConfig, backend: Backend, names: tuple[str, ...], number: int) -> None:
    if layout.done(number).exists():
        return
    run = layout.round(number)
    if number == 0:
        options = {"theta0": str(layout.theta0)}
        if not Moment.parse(config.rewind).is_start:
            options |= {"thetak": str(layout.thetak), "rewind": config.rewind}
    else:
        options = {} if config.changes(number) else {"mask": str(layout.mask(number))}
        options |= start_options(layout, config, backend, names, number)
    seconds = timed_training(backend, run, options | plan.options(layout, config, backend, run, number))
    if number == 0 and not layout.start(config.rewind).exists():
        raise LotteryError(f"rewind: {config.rewind}: the dense training ended before that point: "
                           "choose an earlier one")
    if config.changes(number):
        masks.keep_last(layout, number, backend.length().epochs)
    layout.init(number).unlink(missing_ok=True)
    write_json(layout.done(number), {"round": number, "seconds": round(seconds, 1)})


def _find_masks(layout: Layout, config: LotteryConfig, backend: Backend) -> None:
    """Train the run that finds the masks of all rounds, for methods that have one."""
    done = layout.search_run / "done.json"
    if not config.within or config.changes(1) or done.exists():
        return
    options = {"init": str(layout.theta0)} | plan.options(layout, config, backend, layout.search_run, None)
    seconds = timed_training(backend, layout.search_run, options)
    if not layout.found(layout.search_run, config.rounds).exists():
        raise LotteryError(f"{layout.search_run}: it ended before the last density: take an earlier end (within_conf)")
    write_json(done, {"seconds": round(seconds, 1)})


def timed_training(backend: Backend, run: Path, options: Mapping[str, str]) -> float:
    """Train a run to its end; the seconds that it took, those of killed beginnings too."""
    seconds = _seconds_so_far(run)
    began = time.perf_counter()
    try:
        backend.train(run, options)
    except BaseException:
        # Time spent counts when the round goes on; what stopped it matters more than a failure to note that.
        with contextlib.suppress(OSError):
            _add_seconds(run, seconds + time.perf_counter() - began)
        raise
    return seconds + time.perf_counter() - began


def _add_seconds(folder: Path, seconds: float) -> None:
    if folder.is_dir():
        write_json(folder / "seconds.json", seconds)


def _seconds_so_far(folder: Path) -> float:
    path = folder / "seconds.json"
    return read_json(path) if path.exists() else 0.0


def _record(layout: Layout, config: LotteryConfig, backend: Backend, names: tuple[str, ...], number: int) -> None:
    """Write the round's line: counts are counted from the saved weights."""
    ledger = Ledger(layout.ledger)
    if ledger.get(number) is not None:
        return
    counts = count(backend.weights(layout.round(number), "average"), names)
    mask = Mask.load(layout.mask(number)) if number else None
    facts = backend.facts(layout.round(number))
    ledger.record(
        number, density_scope=counts.density_scope, density_whole=counts.density_whole,
        numel_scope=counts.numel_scope, kept_scope=counts.kept_scope,
        numel_whole=counts.numel_whole, nonzero_whole=counts.nonzero_whole,
        mask_digest=mask.digest() if mask else None, rate=_rate(config, number),
        rewind=config.rewind, restart=config.restart, train_seconds=read_json(layout.done(number))["seconds"],
        finished=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), cores=os.cpu_count(),
        **facts | cost.of_round(layout, config, number, facts))


def _rate(config: LotteryConfig, number: int) -> float | None:
    """What the round pruned of what remained, as planned; None where nothing or another search planned it."""
    return config.make_schedule().rate_of(number) if number and not config.masks_from else None
