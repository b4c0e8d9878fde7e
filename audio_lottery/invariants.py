"""Proof of the invariants on a search's folder, from its files alone.

Each function yields the violations it finds, as sentences that name the round and the tensor.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from audio_lottery import granularity, snapshot
from audio_lottery.config import LotteryConfig
from audio_lottery.config_file import load
from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_json, read_yaml
from audio_lottery.gates import GATES
from audio_lottery.granularity import Groups
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask
from audio_lottery.restart import keeps_learning_rate
from audio_lottery.source import check_source
from audio_lottery.starts import expected
from audio_lottery.zeros import count

LoadState = Callable[[Path], dict[str, torch.Tensor]]


def check_masks(layout: Layout) -> Iterator[str]:
    """Masks nest, each keeps exactly the scheduled count, groups are whole, the ledger holds their digests.

    Masks that a round found while it was trained need not nest.
    """
    config, groups = load(layout.config), Groups.load(layout.groups) if layout.groups.exists() else None
    before = None
    for number in layout.finished()[1:]:
        mask = Mask.load(layout.mask(number))
        if before is not None and not config.changes(number) and not mask.is_subset(before):
            yield f"round {number}: the mask keeps weights that round {number - 1} pruned"
        if not config.masks_from:
            yield from _count(config, mask, groups, number)
        row = Ledger(layout.ledger).get(number) or {}
        if row.get("mask_digest") != mask.digest():
            yield f"round {number}: the mask is not the one in {layout.ledger.name}"
        before = mask


def _count(config: LotteryConfig, mask: Mask, groups: Groups | None, number: int) -> Iterator[str]:
    wanted = config.make_schedule().kept(number, mask.numel)
    selector = groups or granularity.parse(config.granularity).bind({n: tuple(m.shape) for n, m in mask.items()}, None)
    gates = max(map(len, GATES.values())) if config.scope.gates else 1  # each rounded to groups by itself
    slack = selector.slack() * (1 if config.make_allocation().carries else gates * len(selector.units))
    if abs(mask.kept - wanted) > slack:
        within = f", or up to {slack} more or less" if slack else ""
        yield f"round {number}: the mask keeps {mask.kept} weights, {wanted} are due{within}"
    for name in selector.broken(mask):
        yield f"round {number}: the mask cuts a group of {config.granularity} in {name}"


def check_start(layout: Layout, load_state: LoadState) -> Iterator[str]:
    """Every round started from the weights that it should, bit for bit, all else fresh as in round 0."""
    config = load(layout.config)
    trained = layout.finished()[1:] if layout.imported.exists() else layout.finished()
    first = read_json(layout.round(trained[0]) / "start.json") if trained else {}
    fresh = ["optimizers", "schedulers", "scaler", "seed", "random_state"]
    for number in trained:
        theta, source = _expected(layout, config, load_state, number), "theta0.safetensors"
        if number:
            begun = layout.changing(layout.round(number), 0) if config.changes(number) else layout.mask(number)
            Mask.load(begun).apply_(theta)
            source = layout.start(config.rewind).name if config.restart == "rewind" else f"restart {config.restart}"
        start = read_json(layout.round(number) / "start.json")
        theta |= {other: theta[name] for other, name in start.get("tied", {}).items()}  # masks name each tensor once
        yield from _same_names(f"round {number}: start", theta, start["tensors"])
        for name, digest in snapshot.digests(theta).items():
            if start["tensors"].get(name) != digest:
                yield f"round {number}: tensor {name} did not start from {source}"
        if start["optimizer_states"]:
            yield f"round {number}: the optimiser did not start fresh ({start['optimizer_states']} states)"
        for what in fresh[2:] if number and config.restart in keeps_learning_rate else fresh:
            if start[what] != first[what]:
                yield f"round {number}: {what} started otherwise than in round {trained[0]}"


def _expected(layout: Layout, config: LotteryConfig, load_state: LoadState, number: int) -> dict[str, torch.Tensor]:
    if number == 0:
        return snapshot.load(layout.theta0)
    before = layout.round(number - 1)

    def trained() -> dict[str, torch.Tensor]:
        if config.prune_from != "average":
            return load_state(before / "latest.pth")
        phase, key, _ = read_yaml(before / "config.yaml")["best_model_criterion"][0]
        return load_state(before / f"{phase}.{key}.ave.pth")

    scope = tuple(Mask.load(layout.mask(number)))
    return dict(expected(layout, config, scope, trained, lambda: layout.fresh))


def check_models(layout: Layout, load_state: LoadState) -> Iterator[str]:
    """Stock names and shapes in every kept model, pruned weights +0.0, the ledger's counts counted again."""
    theta0 = snapshot.load(layout.theta0) if layout.theta0.exists() else load_state(layout.round(0) / "latest.pth")
    first = layout.imported if layout.imported.exists() else layout.round(0) / "start.json"
    parameters = read_json(first)["parameters"]
    for number in layout.finished():
        mask = Mask.load(layout.mask(number)) if number else None
        for path in sorted(layout.round(number).glob("*.pth")):
            if path.is_symlink() or path.name.startswith("checkpoint"):
                continue
            state = load_state(path)
            yield from _same_names(f"round {number}: {path.name}", theta0, state)
            if mask is not None:
                yield from _zeros(f"round {number}: {path.name}", mask, state)
        yield from _ledger_counts(layout, number, mask, load_state, parameters)


def check_imported(layout: Layout, load_state: LoadState) -> Iterator[str]:
    """Round 0 is the model that was taken from elsewhere, bit for bit."""
    about = read_json(layout.imported)
    for path in layout.round(0).glob("*.ave.pth"):
        found = snapshot.digests(load_state(path))
        for name in sorted(name for name in about["tensors"] if found.get(name) != about["tensors"][name]):
            yield f"round 0: {path.name}: {name} is not as in {about['model']}"


def unchecked(folder: str | Path) -> list[str]:
    """What cannot be proved of a search, since it did not happen in its folder."""
    layout = Layout(Path(folder))
    if not layout.imported.exists():
        return []
    return [f"round 0 was taken from {read_json(layout.imported)['model']}: from which weights it was trained, and "
            "how, is not checked"]


def check_optimizer(layout: Layout, load_state: LoadState) -> Iterator[str]:
    """Optimiser moments of pruned weights are zero in the checkpoints that are kept."""
    for number in layout.finished()[1:]:
        path = layout.round(number) / "checkpoint.pth"
        if not path.exists():
            continue
        mask = Mask.load(layout.mask(number))
        names = read_json(layout.round(number) / "start.json")["parameters"]
        for optimizer in load_state(path)["optimizers"]:
            order = [index for group in optimizer["param_groups"] for index in group["params"]]
            if len(order) != len(names):
                continue  # several optimisers, or groups of some parameters: their order is not known here
            for index, moments in optimizer["state"].items():
                name = names[order.index(index)] if sorted(order) == order else None
                for key, value in moments.items() if name in mask else ():
                    if value.shape == mask[name].shape and bool(value[~mask[name]].any()):
                        yield f"round {number}: {path.name}: {key} of pruned weights of {name} is not zero"


def check_narrower(layout: Layout, load_state: LoadState) -> Iterator[str]:
    """Of narrower dense models: started fresh, as many parameters as the ledger says, none pruned."""
    for number in layout.finished()[1:]:
        row, start = Ledger(layout.ledger).get(number) or {}, read_json(layout.round(number) / "start.json")
        if start["optimizer_states"]:
            yield f"round {number}: the optimiser did not start fresh ({start['optimizer_states']} states)"
        for path in layout.round(number).glob("*.ave.pth"):
            found = sum(load_state(path)[name].numel() for name in start["parameters"])
            if found != row.get("nonzero_whole"):
                yield (f"round {number}: {path.name} has {found} parameters, {layout.ledger.name} says "
                       f"{row.get('nonzero_whole')}")


def _same_names(where: str, theta: dict[str, torch.Tensor], other: dict) -> Iterator[str]:
    for name in sorted(theta.keys() ^ other.keys()):
        yield f"{where}: tensor {name} is {'missing' if name in theta else 'not a stock name'}"
    for name in theta.keys() & other.keys():
        if isinstance(other[name], torch.Tensor) and other[name].shape != theta[name].shape:
            yield f"{where}: tensor {name} has shape {tuple(other[name].shape)}, not {tuple(theta[name].shape)}"


def _zeros(where: str, mask: Mask, state: dict[str, torch.Tensor]) -> Iterator[str]:
    for name, kept in mask.items():
        pruned = state[name][~kept]
        if bool((pruned != 0).any()) or bool(torch.signbit(pruned).any()):
            yield f"{where}: pruned weights of {name} are not exactly zero"


def _ledger_counts(layout, number, mask, load_state, parameters) -> Iterator[str]:
    row = Ledger(layout.ledger).get(number)
    if row is None:
        yield f"round {number}: not in {layout.ledger.name}"
        return
    scope = list(mask) if mask is not None else []
    for path in layout.round(number).glob("*.ave.pth"):
        state = load_state(path)
        counts = count({name: state[name] for name in parameters}, scope)
        if mask is not None and counts.kept_scope > mask.kept:
            yield f"round {number}: {path.name} has {counts.kept_scope} weights in scope, the mask keeps {mask.kept}"
        if mask is not None and (counts.kept_scope, counts.nonzero_whole) != (row["kept_scope"], row["nonzero_whole"]):
            yield (f"round {number}: {layout.ledger.name} says {row['kept_scope']} weights in scope and "
                   f"{row['nonzero_whole']} in all, {path.name} has {counts.kept_scope} and {counts.nonzero_whole}")


def check(folder: str | Path, load_state: LoadState) -> dict[str, list[str]]:
    """All checks of a search's folder: name of the check -> violations (none: it holds).

    ``load_state`` reads a ``.pth`` file without executing anything. Raises :class:`LotteryError` when
    a file that the checks need is missing or damaged.
    """
    layout = Layout(Path(folder))
    if not layout.finished():
        raise LotteryError(f"{folder}: no finished round: give the folder of a search (exp/<tag>)")
    config = load(layout.config)
    if layout.finished() != [number for number in range(layout.finished()[-1] + 1) if config.trains(number)]:
        raise LotteryError(f"{folder}: finished rounds are {layout.finished()}: run the search again to fill the gap")
    taken = {}
    if layout.imported.exists():
        taken["round 0 is the model it was taken from, bit for bit"] = list(check_imported(layout, load_state))
    if (layout.source / "about.json").exists():
        taken["masks and initial weights are the source ticket's"] = list(check_source(layout))
    if load(layout.config).small_dense:
        narrower = list(check_narrower(layout, load_state))
        return {"each round is dense, with the parameters of its line": narrower, **taken}
    return {
        "masks nest, counts exact": list(check_masks(layout)),
        "rounds start from the kept weights, bit for bit, all else fresh": list(check_start(layout, load_state)),
        "stock names, exact zeros, counts as in the ledger": list(check_models(layout, load_state)),
        "optimiser moments of pruned weights are zero": list(check_optimizer(layout, load_state)),
        **taken,
    }
