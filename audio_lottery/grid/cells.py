"""A grid file read into cells: calls of a recipe's run.sh.

::

    options:                                # of run.sh, the same in every cell
      stage: 5
      lottery_conf: conf/lottery/{method}.yaml    # {axis}: the cell's value on it
      dense_model: "{exp:dense}/round_00"   # {exp:VALUE}: the folder of the cell with this value, which runs before
    axes:                                   # a cell for each combination, in this order; names are joined by _
      seed: [0, 1, 2]
      method:
        dense: {stop_stage: 5, dense_model: null}     # options of the cells with this value; null takes one out
        imp:
        random_ticket: {after: imp}         # runs after the cell that differs from it in this value alone
        rigl: {only: 0}                     # only with these values of other axes: seed 0 here
    prepare:                                # calls before all cells, one after the other: the data they share
      data: {stage: 1, stop_stage: 4}
      noisy_data: {stage: 1, stop_stage: 4, train_snr: 0 20}
    given: [an4_root]                       # of the command line's options these stand only where {an4_root} is written

Options of later axes replace those before; those whose names end in ``_args`` are appended. ``recipe`` is the folder
of the run.sh to call (default: the current one), ``expdir`` its folder of experiments (default: exp). A call of
``prepare`` has the options too, but for those that name an axis or a cell; an option that is one of ``given`` is left
out where the command line has it not, and is made absolute when it ends in ``_root``, as recipes are called in their
own folders.
"""

import graphlib
import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_yaml
from audio_lottery.grid.draft import TEMPLATE, Cell, Draft, Options

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*(_[A-Za-z0-9.+-]+)*")
OPTION = re.compile(r"[a-z][a-z0-9_]*")
KEYS = {"options", "axes", "prepare", "given"}


def read(path: str | Path, overrides: Mapping[str, str] | None = None) -> list[Cell]:
    """The cells of a grid file, each after those that it needs; ``overrides`` are options that win over the file's.

    Raises LotteryError for unknown keys, names that are no file names, cells that need each other.
    """
    path = Path(path)
    grid = read_yaml(path)
    for key in grid.keys() - KEYS:
        raise LotteryError(f"{path}: unknown key {key}: known keys: {', '.join(sorted(KEYS))}")
    if not isinstance(grid.get("axes"), dict) or not grid["axes"]:
        raise LotteryError(f"{path}: axes: nothing to combine: write axes like 'seed: [0, 1, 2]'")
    overrides = dict(overrides or {})
    given = _given(grid.get("given"), overrides, f"{path}: given")
    axes = {str(name): _axis(values, f"{path}: axes: {name}", given) for name, values in grid["axes"].items()}
    base = _options(grid.get("options"), f"{path}: options", given)
    first = _axis(grid["prepare"], f"{path}: prepare", given) if grid.get("prepare") else {}
    plain = {name: option for name, option in base.items() if not TEMPLATE.search(option or "")}
    try:
        before = [Draft({"prepare": first}, {"prepare": name}, plain, path.stem, overrides) for name in first]
        drafts = [Draft(axes, dict(zip(axes, values, strict=True)), base, path.stem, overrides)
                  for values in itertools.product(*axes.values())]
        drafts = [draft for draft in drafts if draft.wanted]
        return _ordered(_after(_finished(before + drafts), list(first)))
    except LotteryError as error:
        raise LotteryError(f"{path}: {error}") from None


def _given(names: Any, overrides: dict[str, str], where: str) -> Options:
    """The options of the command line that are written where the file names them, taken out of ``overrides``."""
    if not isinstance(names or [], list) or not all(isinstance(name, str) for name in names or []):
        raise LotteryError(f"{where}: a list of options is expected: write it like [an4_root]")
    found = {name: overrides.pop(name, None) for name in names or []}
    return {name: os.path.abspath(value) if value and name.endswith("_root") else value
            for name, value in found.items()}


def _axis(values: Any, where: str, given: Options) -> dict[str, Options]:
    if isinstance(values, list):
        values = dict.fromkeys(map(_text, values))
    if not isinstance(values, dict) or not values:
        raise LotteryError(f"{where}: a list of values, or a mapping of values to options, is expected")
    made = {}
    for value, options in values.items():
        if not NAME.fullmatch(_text(value) or ""):
            raise LotteryError(f"{where}: {value!r} can't stand in a folder's name: take letters, digits and -+._")
        made[_text(value)] = _options(options, f"{where}: {value}", given)
    return made


def _options(values: Any, where: str, given: Options) -> Options:
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise LotteryError(f"{where}: a mapping is expected: write lines like 'stage: 5'")
    for name, value in values.items():
        if not isinstance(name, str) or not OPTION.fullmatch(name):
            raise LotteryError(f"{where}: {name!r} is no option of run.sh")
        if isinstance(value, dict | list):
            raise LotteryError(f"{where}: {name}: {value!r}: write one value, as on run.sh's command line")
        if name == "asr_tag":
            raise LotteryError(f"{where}: asr_tag: the grid names the folders of experiments: leave it out")
    named = {f"{{{name}}}": value for name, value in given.items()}
    return {name: named.get(value, _text(value)) if isinstance(value, str) else _text(value)
            for name, value in values.items()}


def _text(value: Any) -> str | None:
    """As run.sh's options are written."""
    if value is None or isinstance(value, bool):
        return {None: None, True: "true", False: "false"}[value]
    return str(value)


def _finished(drafts: Sequence[Draft]) -> dict[str, Cell]:
    by_name = {draft.name: draft for draft in drafts}
    if len(by_name) < len(drafts):
        raise LotteryError("axes: two cells have one name: take other values")
    return {name: draft.finish(by_name) for name, draft in by_name.items()}


def _after(cells: dict[str, Cell], first: Sequence[str]) -> dict[str, Cell]:
    """The cells of ``first`` one after the other, all others after the last of them."""
    for name, cell in cells.items() if first else ():
        at = first.index(name) if name in first else len(first)
        cells[name] = replace(cell, needs=(*first[max(at - 1, 0):at], *cell.needs))
    return cells


def _ordered(cells: Mapping[str, Cell]) -> list[Cell]:
    """In the file's order, but each after what it needs."""
    try:
        graphlib.TopologicalSorter({name: cell.needs for name, cell in cells.items()}).prepare()
    except graphlib.CycleError as error:
        raise LotteryError(f"cells need each other: {' after '.join(error.args[1])}: break the circle") from None
    ordered: dict[str, Cell] = {}

    def add(name: str) -> None:
        if name not in ordered:
            for need in cells[name].needs:
                add(need)
            ordered[name] = cells[name]

    for name in cells:
        add(name)
    return list(ordered.values())
