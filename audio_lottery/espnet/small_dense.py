"""The control of a narrower dense model: each round has as many parameters as a search's ticket has nonzero weights.

If it is as good as the ticket, sparsity gained nothing (Liu et al., "Rethinking the Value of Network Pruning",
ICLR 2019). Round 0 is the dense model; a round after it is an ordinary ESPnet experiment of another configuration.
"""

import dataclasses
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from audio_lottery import rounds
from audio_lottery.config import LotteryConfig
from audio_lottery.errors import LotteryError
from audio_lottery.espnet.backend import EspnetBackend
from audio_lottery.espnet.logs import quiet
from audio_lottery.espnet.tasks import get_task
from audio_lottery.espnet.widths import SIZES, Confs, narrow
from audio_lottery.fileio import read_json, write_json
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.masks import find_search

PARTS = ("encoder_conf", "decoder_conf", "joint_network_conf")
# How far the number of parameters may be from the ticket's.
TOLERANCE = 0.1


def search(folder: str | Path, config: LotteryConfig, backend: EspnetBackend, last_round: int | None = None,
           begins: Iterable[Callable[[Layout], None]] = ()) -> None:
    """Train round 0 and, as ``config.small_dense`` says, narrower models, skipping what is finished.

    Raises LotteryError, before any training, where that search has no such round or no model fits.
    """
    layout = Layout(Path(folder))
    last = config.rounds if last_round is None else min(last_round, config.rounds)
    targets = ticket_sizes(find_search(layout.folder, config.small_dense), config)
    narrower = {number: resized(backend, target, number) for number, target in targets.items()
                if Ledger(layout.ledger).get(number) is None}
    rounds.search(folder, config, backend, 0, begins)
    with rounds.locked(layout.folder):
        for number, smaller in narrower.items():
            if number <= last:
                _train(layout, smaller, number)
                _record(layout, smaller, number)


def ticket_sizes(source: Layout, config: LotteryConfig) -> dict[int, int]:
    """Round -> nonzero weights of the whole model, from the ledger of a search."""
    found = {}
    for number in filter(config.trains, range(1, config.rounds + 1)):
        row = Ledger(source.ledger).get(number)
        if row is None:
            raise LotteryError(f"small_dense: {source.ledger}: no round {number}: run that search to it, or take fewer "
                               "rounds")
        found[number] = row["nonzero_whole"]
    return found


def resized(backend: EspnetBackend, target: int, number: int = 1) -> EspnetBackend:
    """A backend whose model has about ``target`` parameters, with as many layers and heads."""

    def made(confs: Confs) -> EspnetBackend:
        words = [word for part, conf in confs.items() for word in (f"--{part}", json.dumps(conf))]
        recipe = dataclasses.replace(backend.recipe, asr_args=(*backend.recipe.asr_args, *words))
        return EspnetBackend(recipe, backend.scope_config, backend.separate, backend.launcher)

    found = made(narrow(_confs(backend), lambda confs: parameters(made(confs)), target))
    if abs(parameters(found) - target) > TOLERANCE * target:
        raise LotteryError(f"small_dense: round {number}: the ticket has {target} weights, the nearest model has "
                           f"{parameters(found)} parameters: take fewer rounds, or other --only_rounds")
    return found


def parameters(backend: EspnetBackend) -> int:
    """Parameters of a backend's model."""
    return sum(one.numel() for one in backend.model.parameters())


def _confs(backend: EspnetBackend) -> dict[str, dict]:
    """The configurations that hold sizes; those that the recipe leaves to ESPnet's defaults are filled in."""
    from espnet2.utils.get_default_kwargs import get_default_kwargs

    args = vars(backend.args)
    classes = {f"{one.name}_conf": one.get_class(args[one.name]) for one in get_task(backend.recipe.task
               ).class_choices_list if args.get(one.name)}
    found = {}
    for part in PARTS:
        if args.get(part) is None or (part == "decoder_conf" and not args.get("decoder")):
            continue
        default = get_default_kwargs(classes[part]) if part in classes else {}
        found[part] = {key: value for key, value in default.items() if key in SIZES} | args[part]
    return found


def _train(layout: Layout, backend: EspnetBackend, number: int) -> None:
    if layout.done(number).exists():
        return
    seconds = rounds.timed_training(backend, layout.round(number), {})
    write_json(layout.done(number), {"round": number, "seconds": round(seconds, 1)})


def _record(layout: Layout, backend: EspnetBackend, number: int) -> None:
    """The round's line, with densities and costs as shares of the dense model's."""
    ledger, facts = Ledger(layout.ledger), backend.facts(layout.round(number))
    first = ledger.get(0)
    with quiet():
        sizes = dict(backend.model.named_parameters())
        scope = sum(sizes[name].numel() for name in backend.scope())
    macs = {**facts["macs"], "dense": first["macs"]["dense"]}
    share = macs["sparse"] / macs["dense"]
    ledger.record(number, **{
        **facts, "macs": macs, "macs_density": share, "kept_scope": scope, "numel_scope": first["numel_scope"],
        "density_scope": scope / first["numel_scope"], "nonzero_whole": parameters(backend),
        "numel_whole": first["numel_whole"], "density_whole": parameters(backend) / first["numel_whole"],
        "mask_digest": None, "rate": None, "rewind": first["rewind"], "restart": first["restart"],
        "train_seconds": read_json(layout.done(number))["seconds"], "sizes": _confs(backend),
        "dense_equivalent_steps": facts["steps"] * share, "search_steps": 0, "search_dense_equivalent_steps": 0,
        "cores": os.cpu_count(), "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})
