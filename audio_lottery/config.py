"""The lottery configuration: a YAML file read into a dataclass, overridden by ``--lottery_args``."""

import dataclasses
import difflib
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from audio_lottery.allocation import allocations
from audio_lottery.criteria import criteria
from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_text
from audio_lottery.moment import Moment
from audio_lottery.scope import ScopeConfig

PRUNE_FROM = ("last", "average")


@dataclass(frozen=True)
class LotteryConfig:
    """What a search does. Each field is a key of the YAML file and an option of ``--lottery_args``.

    rounds      rounds after the dense one (round 0)
    rate        fraction of the remaining weights in scope that each round prunes, in (0, 1)
    rewind      the weights each round starts from: 0 (initial), 500it or 2ep of the dense training
    criterion   score of a weight; the smallest are pruned
    allocation  where the budget goes
    prune_from  the trained weights that are scored: the last epoch's, or the average of the n best
    seed        seed of random criteria
    scope       which tensors may be pruned: include, exclude (regular expressions), output_layer
    """

    rounds: int = 8
    rate: float = 0.2
    rewind: str = "0"
    criterion: str = "magnitude"
    allocation: str = "global"
    prune_from: str = "last"
    seed: int = 0
    scope: ScopeConfig = field(default_factory=ScopeConfig)

    def __post_init__(self) -> None:
        if self.rounds < 0:
            raise LotteryError(f"rounds: {self.rounds} is out of range: give 0 or more")
        if not 0 < self.rate < 1:
            raise LotteryError(f"rate: {self.rate} is out of range: give a fraction between 0 and 1, like 0.2")
        if self.prune_from not in PRUNE_FROM:
            raise LotteryError(f"prune_from: {self.prune_from!r} is unknown: choose from {', '.join(PRUNE_FROM)}")
        criteria.get(self.criterion)
        allocations.get(self.allocation)
        Moment.parse(self.rewind)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``lottery.yaml``."""
        plain = dataclasses.asdict(self)
        plain["scope"] = {key: list(value) if isinstance(value, tuple) else value
                          for key, value in plain["scope"].items()}
        return plain


def load(path: str | Path | None, arguments: str = "") -> LotteryConfig:
    """Read a YAML file (None: the defaults) and apply ``--key value`` overrides.

    Keys of the scope are written ``--scope.exclude PATTERN`` (lists are separated by blanks).
    Raises :class:`LotteryError` that names file and line for an unknown key or a bad value.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _read(Path(path))
    _override(values, arguments)
    return _build(values, f"{path}" if path else "lottery configuration")


def _read(path: Path) -> dict[str, Any]:
    text = read_text(path)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        line = error.problem_mark.line + 1 if getattr(error, "problem_mark", None) else 1
        raise LotteryError(f"{path}:{line}: not valid YAML ({getattr(error, 'problem', error)}): mend it") from None
    if not isinstance(values, dict):
        raise LotteryError(f"{path}:1: a mapping is expected: write lines like 'rate: 0.2'")
    pairs = node.value if node is not None else []
    for key, value in pairs:
        known = [f.name for f in dataclasses.fields(LotteryConfig)]
        _known(key.value, known, f"{path}:{key.start_mark.line + 1}")
        if key.value == "scope" and isinstance(values["scope"], dict):
            for inner, _ in value.value:
                _known(inner.value, [f.name for f in dataclasses.fields(ScopeConfig)],
                       f"{path}:{inner.start_mark.line + 1}", "scope.")
        try:
            _build({key.value: values[key.value]}, "")
        except LotteryError as error:
            raise LotteryError(f"{path}:{key.start_mark.line + 1}: {error}") from None
    return values


def _known(key: str, known: list[str], where: str, prefix: str = "") -> None:
    if key not in known:
        near = difflib.get_close_matches(str(key), known, 1)
        hint = f"did you mean {prefix}{near[0]}?" if near else f"known keys: {', '.join(known)}"
        raise LotteryError(f"{where}: unknown key {prefix}{key}: {hint}")


def _override(values: dict[str, Any], arguments: str) -> None:
    try:
        words = shlex.split(arguments)
    except ValueError as error:
        raise LotteryError(f"--lottery_args {arguments}: {error}: mend its quotes") from None
    while words:
        option = words.pop(0)
        if not option.startswith("--"):
            raise LotteryError(f"--lottery_args: {option!r} is not an option: write --rate 0.2")
        given = []
        while words and not words[0].startswith("--"):
            given.append(words.pop(0))
        if not given:
            raise LotteryError(f"--lottery_args: {option} has no value: write {option} VALUE")
        key, _, inner = option[2:].partition(".")
        _known(key, [f.name for f in dataclasses.fields(LotteryConfig)], "--lottery_args")
        try:
            parsed = [yaml.safe_load(word) for word in given]
        except yaml.YAMLError:
            raise LotteryError(f"--lottery_args: {option} {' '.join(given)}: not a YAML value: mend it") from None
        if not inner:
            values[key] = parsed[0] if len(parsed) == 1 else parsed
            continue
        _known(inner, [f.name for f in dataclasses.fields(ScopeConfig)], "--lottery_args", "scope.")
        single = inner == "output_layer"
        values["scope"] = {**(values.get("scope") or {}), inner: parsed[0] if single else parsed}


def _build(values: dict[str, Any], where: str) -> LotteryConfig:
    kinds = {"rounds": int, "rate": (float, int), "rewind": (str, int), "criterion": str, "allocation": str,
             "prune_from": str, "seed": int, "scope": dict}
    prefix = f"{where}: " if where else ""
    for key, value in values.items():
        if not isinstance(value, kinds[key]) or isinstance(value, bool):
            raise LotteryError(f"{prefix}{key}: {value!r} has the wrong type: "
                               "see the comments in conf/lottery/imp.yaml")
    made = dict(values)
    if "rewind" in made:
        made["rewind"] = str(Moment.parse(made["rewind"]))
    try:
        if "scope" in made:
            made["scope"] = _scope(made["scope"])
        return LotteryConfig(**made)
    except LotteryError as error:
        raise LotteryError(f"{prefix}{error}") from None


def _scope(values: dict[str, Any]) -> ScopeConfig:
    made = {}
    for key, value in values.items():
        if key == "output_layer":
            if not isinstance(value, bool):
                raise LotteryError(f"scope.output_layer: {value!r} is not true or false")
            made[key] = value
            continue
        patterns = [value] if isinstance(value, str) else value
        if not isinstance(patterns, list) or not all(isinstance(one, str) for one in patterns):
            raise LotteryError(f"scope.{key}: {value!r} is not a list of regular expressions")
        made[key] = tuple(patterns)
    return ScopeConfig(**made)
