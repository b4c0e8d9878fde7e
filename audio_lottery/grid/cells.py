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

Options of later axes replace those before; those whose names end in ``_args`` are appended. ``recipe`` is the folder
of the run.sh to call (default: the current one), ``expdir`` its folder of experiments (default: exp).
"""

import graphlib
import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_yaml

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*(_[A-Za-z0-9.+-]+)*")
OPTION = re.compile(r"[a-z][a-z0-9_]*")
TEMPLATE = re.compile(r"\{(exp:)?([A-Za-z0-9_.+-]+)\}")
Options = dict[str, str | None]


@dataclass(frozen=True)
class Cell:
    """One call. at: axis -> value. exp: the folder of its search. needs: names of the cells that run before it."""

    name: str
    at: Mapping[str, str]
    recipe: Path
    exp: Path
    options: Mapping[str, str]
    needs: tuple[str, ...]

    @property
    def command(self) -> list[str]:
        """The words of the call."""
        return ["./run.sh", *(f"--{name}={value}" for name, value in self.options.items())]


def read(path: str | Path, overrides: Mapping[str, str] | None = None) -> list[Cell]:
    """The cells of a grid file, each after those that it needs; ``overrides`` are options that win over the file's.

    Raises LotteryError for unknown keys, names that are no file names, cells that need each other.
    """
    path = Path(path)
    grid = read_yaml(path)
    for key in grid.keys() - {"options", "axes"}:
        raise LotteryError(f"{path}: unknown key {key}: known keys: options, axes")
    if not isinstance(grid.get("axes"), dict) or not grid["axes"]:
        raise LotteryError(f"{path}: axes: nothing to combine: write axes like 'seed: [0, 1, 2]'")
    axes = {str(name): _axis(values, f"{path}: axes: {name}") for name, values in grid["axes"].items()}
    base = _options(grid.get("options"), f"{path}: options")
    try:
        drafts = [_Draft(axes, dict(zip(axes, values, strict=True)), base, path.stem, overrides or {})
                  for values in itertools.product(*axes.values())]
        drafts = [draft for draft in drafts if draft.wanted]
        return _ordered(_finished(drafts))
    except LotteryError as error:
        raise LotteryError(f"{path}: {error}") from None


def _axis(values: Any, where: str) -> dict[str, Options]:
    if isinstance(values, list):
        values = dict.fromkeys(map(_text, values))
    if not isinstance(values, dict) or not values:
        raise LotteryError(f"{where}: a list of values, or a mapping of values to options, is expected")
    made = {}
    for value, options in values.items():
        if not NAME.fullmatch(_text(value) or ""):
            raise LotteryError(f"{where}: {value!r} can't stand in a folder's name: take letters, digits and -+._")
        made[_text(value)] = _options(options, f"{where}: {value}")
    return made


def _options(values: Any, where: str) -> Options:
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
    return {name: _text(value) for name, value in values.items()}


def _text(value: Any) -> str | None:
    """As run.sh's options are written."""
    if value is None or isinstance(value, bool):
        return {None: None, True: "true", False: "false"}[value]
    return str(value)


class _Draft:
    """A cell whose options have not been filled in."""

    def __init__(self, axes: Mapping[str, Mapping[str, Options]], at: Mapping[str, str], base: Options, grid: str,
                 overrides: Mapping[str, str]):
        self.axes, self.at, self.options = axes, at, dict(base)
        for axis, value in at.items():
            for name, option in axes[axis][value].items():
                before = self.options.get(name)
                adds = name.endswith("_args") and before and option
                self.options[name] = f"{before} {option}" if adds else option
        self.options.update(overrides)
        self.name = self.named(at)
        self.recipe = Path(self._plain(self.options.pop("recipe", None) or "."))
        self.after = (self.options.pop("after", None) or "").split()
        self.wanted = self._fits((self.options.pop("only", None) or "").split())
        self.tag = f"{grid}/{self.name}"
        self.exp = self.recipe / self._plain(self.options.get("expdir") or "exp") / self.tag

    def named(self, at: Mapping[str, str]) -> str:
        """seed 0, method imp: seed0_imp."""
        return "_".join(f"{axis}{value}" if value.replace(".", "").isdigit() else value for axis, value in at.items())

    def _plain(self, text: str) -> str:
        return TEMPLATE.sub(lambda found: self._value(found[2]), text)

    def _value(self, axis: str) -> str:
        if axis not in self.at:
            raise LotteryError(f"{self.name}: {{{axis}}}: no axis of this name: there are {', '.join(self.at)}")
        return self.at[axis]

    def _axis_of(self, value: str, use: str) -> str:
        axes = [axis for axis, values in self.axes.items() if value in values]
        if len(axes) != 1:
            reason = "on several axes" if axes else "no value of an axis"
            raise LotteryError(f"{self.name}: {use} {value}, which is {reason}: name one of the values beside it")
        return axes[0]

    def _fits(self, only: Sequence[str]) -> bool:
        """Whether the cell has one of the values named, on each axis where some are."""
        axes = {self._axis_of(value, "only") for value in only}
        return all(self.at[axis] in only for axis in axes)

    def beside(self, value: str) -> str:
        """The name of the cell that differs in one value."""
        axis = self._axis_of(value, "needs")
        if self.at[axis] == value:
            raise LotteryError(f"{self.name}: needs {value}, which is the cell itself: name one of the values "
                               "beside it")
        return self.named({**self.at, axis: value})

    def _check_planned(self, other: str, cells: Mapping[str, "_Draft"]) -> None:
        if other not in cells:
            raise LotteryError(f"{self.name}: needs {other}, which the grid leaves out: change its 'only'")

    def finish(self, cells: Mapping[str, "_Draft"]) -> Cell:
        """Fill in what other cells' names and places are needed for."""
        needs = {self.beside(value): None for value in self.after}
        for other in needs:
            self._check_planned(other, cells)

        def fill(found: re.Match) -> str:
            if not found[1]:
                return self._value(found[2])
            other = self.beside(found[2])
            self._check_planned(other, cells)
            needs[other] = None
            return os.path.relpath(cells[other].exp, self.recipe)

        options = {name: TEMPLATE.sub(fill, value) for name, value in self.options.items() if value is not None}
        options["asr_tag"] = self.tag
        return Cell(self.name, self.at, self.recipe, self.exp, options, tuple(needs))


def _finished(drafts: Sequence[_Draft]) -> dict[str, Cell]:
    by_name = {draft.name: draft for draft in drafts}
    if len(by_name) < len(drafts):
        raise LotteryError("axes: two cells have one name: take other values")
    return {name: draft.finish(by_name) for name, draft in by_name.items()}


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
