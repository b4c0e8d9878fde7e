"""The lottery configuration read from a YAML file, overridden by ``--lottery_args``."""

import dataclasses
import difflib
import shlex
from pathlib import Path
from typing import Any

import yaml

from audio_lottery.config import LotteryConfig
from audio_lottery.errors import LotteryError
from audio_lottery.fileio import parse_yaml, read_text
from audio_lottery.moment import Moment
from audio_lottery.scope import ScopeConfig

# Keys whose values are mappings of options, as ESPnet's encoder and encoder_conf.
OPTIONS = ("schedule_conf", "criterion_conf", "allocation_conf", "within_conf", "stop_conf")
SWITCHES = ("output_layer", "gates")  # of scope: true or false


def load(path: str | Path | None, arguments: str = "") -> LotteryConfig:
    """Read a YAML file (None: the defaults) and apply ``--key value`` overrides.

    Keys inside others are written ``--scope.exclude PATTERN`` or ``--schedule_conf.factor 0.9`` (lists are
    separated by blanks).
    Raises :class:`LotteryError` that names file and line for an unknown key or a bad value.
    """
    values: dict[str, Any] = {}
    if path is not None:
        values = _read(Path(path))
    _override(values, arguments)
    where = f"{path}" if path else "lottery configuration"
    for key in values:
        _known(key, [f.name for f in dataclasses.fields(LotteryConfig)], where)
    made = _build(values, where)
    try:
        made.check()
    except LotteryError as error:
        raise LotteryError(f"{where}: {error}") from None
    return made


def _read(path: Path) -> dict[str, Any]:
    text = read_text(path)
    values = parse_yaml(path, text) or {}
    if not isinstance(values, dict):
        raise LotteryError(f"{path}:1: a mapping is expected: write lines like 'rate: 0.2'")
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    pairs = node.value if values else []
    for key, value in pairs:
        known = [f.name for f in dataclasses.fields(LotteryConfig)]
        _known(key.value, known, f"{path}:{key.start_mark.line + 1}")
        if key.value == "scope" and isinstance(values.get("scope"), dict):
            for inner, _ in value.value:
                _known(inner.value, [f.name for f in dataclasses.fields(ScopeConfig)],
                       f"{path}:{inner.start_mark.line + 1}", "scope.")
        try:
            _build({key.value: values.get(key.value)}, "")
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
            parsed = [parse_yaml(option, word) for word in given]
        except LotteryError:
            raise LotteryError(f"--lottery_args: {option} {' '.join(given)}: not a YAML value: mend it") from None
        if not inner:
            values[key] = parsed[0] if len(parsed) == 1 else parsed
            continue
        if key in OPTIONS:
            values[key] = {**(values.get(key) or {}), inner: parsed[0] if len(parsed) == 1 else parsed}
            continue
        _known(inner, [f.name for f in dataclasses.fields(ScopeConfig)], "--lottery_args", "scope.")
        single = inner in SWITCHES
        values["scope"] = {**(values.get("scope") or {}), inner: parsed[0] if single else parsed}


def _build(values: dict[str, Any], where: str) -> LotteryConfig:
    kinds = {"rounds": int, "rate": (float, int), "rewind": (str, int), "seed": int, "scope": dict,
             "masks_from": (str, type(None)), "small_dense": (str, type(None)), "within": (str, type(None)),
             "stop": (str, type(None)), "only_rounds": (int, list, type(None)), "full_rounds": (str, int, list),
             **dict.fromkeys(OPTIONS, dict)}
    prefix = f"{where}: " if where else ""
    grain = values.get("granularity")
    if type(grain) is int and grain >= 60:  # YAML reads 2:4 as base 60: 2 * 60 + 4
        values = {**values, "granularity": f"{grain // 60}:{grain % 60}"}
    for key, value in values.items():
        if not isinstance(value, kinds.get(key, str)) or isinstance(value, bool):
            raise LotteryError(f"{prefix}{key}: {value!r} has the wrong type: "
                               "see the comments in conf/lottery/imp.yaml")
    made = dict(values)
    for key in ("only_rounds", "full_rounds"):
        if isinstance(made.get(key), int):
            made[key] = [made[key]]
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
        _known(key, [f.name for f in dataclasses.fields(ScopeConfig)], "scope", "scope.")
        if key in SWITCHES:
            if not isinstance(value, bool):
                raise LotteryError(f"scope.{key}: {value!r} is not true or false")
            made[key] = value
            continue
        patterns = [value] if isinstance(value, str) else value
        if not isinstance(patterns, list) or not all(isinstance(one, str) for one in patterns):
            raise LotteryError(f"scope.{key}: {value!r} is not a list of regular expressions")
        made[key] = tuple(patterns)
    return ScopeConfig(**made)
