"""A smaller model of an ESPnet experiment: what its mask emptied is removed, the output stays the same."""

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from audio_lottery.errors import LotteryError
from audio_lottery.espnet import sizes
from audio_lottery.espnet.models import averaged_model_file, load_state, stock_model
from audio_lottery.espnet.tasks import resolve
from audio_lottery.fileio import read_yaml
from audio_lottery.shrink import Structure, is_empty, remove, structures

# Why a layer stays whose matrices are all zero.
NORMED = "empty blocks that end in a norm still norm what goes through them, and one block always stays"


@dataclass(frozen=True)
class Change:
    """A size of the configuration: before and after, units that stay though they do nothing (per module), and why."""

    key: str
    before: int
    after: int
    idle: int = 0
    why: str = ""


@dataclass
class Shrunk:
    """A shrunk model and its configuration; ``changes`` says what became of each structure."""

    model: nn.Module
    config: dict[str, Any]
    changes: list[Change] = field(default_factory=list)

    @property
    def smaller(self) -> bool:
        """Whether anything was removed."""
        return any(change.after < change.before for change in self.changes)


def load(folder: Path) -> tuple[nn.Module, dict[str, Any], Path]:
    """The averaged model of a round's folder, in evaluation mode, its configuration and its file."""
    file = averaged_model_file(folder)
    model = stock_model(folder, "auto").eval()
    try:
        model.load_state_dict(load_state(file))
    except RuntimeError as error:
        raise LotteryError(f"{file}: does not fit config.yaml ({' '.join(str(error).split())[:200]}): restore the "
                           "folder, or use the ESPnet version it was trained with") from None
    return model, read_yaml(folder / "config.yaml"), file


def shrink(model: nn.Module, config: dict[str, Any], exact_sizes: bool = False) -> Shrunk:
    """Remove what does nothing, as far as stock ESPnet has sizes for it.

    One size of ESPnet's serves many modules: the one that needs most sets it, zeros fill the others up.
    exact_sizes: each module gets its own size, and the model then needs this toolkit's inference commands.
    """
    shrunk = Shrunk(copy.deepcopy(model), copy.deepcopy(config))
    found = structures(shrunk.model)
    _remove_layers(shrunk)
    modules = {module: path for path, module in shrunk.model.named_modules()}
    # Paths are those of the layers that are left.
    found = [Structure(modules[one.module], one.module, one.kind, one.alive) for one in found if one.module in modules]
    if exact_sizes:
        _set_each(shrunk, found)
    else:
        _set_shared(shrunk, found)
        sizes.merge_blocks(shrunk.config)
    return shrunk


def _remove_layers(shrunk: Shrunk) -> None:
    for stack, embed, set_number in sizes.stacks(shrunk.config):
        blocks = shrunk.model.get_submodule(stack)
        before, gone = len(blocks), remove(blocks, shrunk.model.get_submodule(embed))
        idle = sum(is_empty(block) for block in blocks)
        if gone:
            set_number(len(blocks))
        if gone or idle:
            shrunk.changes.append(Change(f"{stack.partition('.')[0]}_conf.num_blocks", before, len(blocks), idle,
                                         NORMED if idle else ""))


def _set_shared(shrunk: Shrunk, found: list[Structure]) -> None:
    left = list(found)
    for knob in sizes.knobs(shrunk.config):
        covered = [one for one in left if knob.covers(one.path, one.kind.name)]
        left = [one for one in left if one not in covered]
        if covered and any(one.needed < one.size for one in covered):
            shrunk.changes.append(_turn(knob, covered))
    for kind in dict.fromkeys(one.kind.name for one in left):
        alike = [one for one in left if one.kind.name == kind]
        idle = sum(one.size - one.needed for one in alike)
        if idle:
            size = max(one.size for one in alike)
            shrunk.changes.append(Change(f"{kind}s of {alike[0].path.partition('.')[0]}", size, size, idle,
                                         sizes.why_it_stays(shrunk.config, kind)))


def _turn(knob: sizes.Knob, covered: list[Structure]) -> Change:
    """Set one size of the configuration, and its modules to it."""
    before, needed = covered[0].size, max(one.needed for one in covered)
    after, why, options = needed, "", {}
    if knob.kind == "head":
        after, why, options = _heads(covered, needed)
    if after < before:
        knob.set(after)
        for one in covered:
            one.cut(after, **options)
    idle = sum(after - one.needed for one in covered)
    if idle and not why:
        largest = max(covered, key=lambda one: one.needed)
        why = f"one size serves {len(covered)} modules, and {largest.path} needs {needed}"
    return Change(knob.key, before, after, idle, why)


def _heads(covered: list[Structure], needed: int) -> tuple[int, str, dict[str, int]]:
    """The fewest heads that ESPnet allows, the reason for that number, and options of the cut.

    ESPnet's heads times their size is always the size of the block: fewer heads are wider ones.
    """
    module, before = covered[0].module, covered[0].size
    size = module.d_k * before
    if not all(covered[0].kind.can_widen(one.module) for one in covered):
        return before, "ESPnet normalises queries and keys over a head, whose size it derives from their number", {}
    after = next(heads for heads in range(needed, before + 1) if size % heads == 0)
    if after == before:
        return before, f"{needed} heads are needed, and no number from {needed} to {before - 1} divides {size}", {}
    why = (f"matrices stay {size} x {size}, since ESPnet's heads times their size are the size of the block "
           "(--exact_sizes true makes them smaller)")
    return after, why, {"width": size // after}


def _set_each(shrunk: Shrunk, found: list[Structure]) -> None:
    for part in ("encoder", "decoder"):
        own: dict[str, int] = {}
        for one in found:
            if one.path.startswith(f"{part}.") and one.needed < one.size:
                own[one.path.partition(".")[2]] = one.needed
                shrunk.changes.append(Change(f"{one.kind.name}s of {one.path}", one.size, one.needed))
                one.cut(one.needed)
        conf = shrunk.config.get(f"{part}_conf") or {}
        if not own:
            continue
        if part == "encoder" and "body_conf" in conf:
            shrunk.config["encoder_conf"] = {**conf, "sizes": own}
        else:
            shrunk.config[f"{part}_conf"] = {part: shrunk.config[part], f"{part}_conf": conf, "sizes": own}
            shrunk.config[part] = "resized"


def task_of(folder: Path) -> str:
    """The ESPnet task of an experiment's folder."""
    return resolve("auto", folder / "config.yaml")
