"""A cell of a grid, and the draft it is made from: its options with other cells' names and places filled in."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audio_lottery.errors import LotteryError

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


class Draft:
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

    def _check_planned(self, other: str, cells: Mapping[str, "Draft"]) -> None:
        if other not in cells:
            raise LotteryError(f"{self.name}: needs {other}, which the grid leaves out: change its 'only'")

    def finish(self, cells: Mapping[str, "Draft"]) -> Cell:
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
