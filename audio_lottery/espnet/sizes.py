"""The sizes in an ESPnet configuration: which keys give them, and which modules of the model share one."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Encoders and decoders of the asr task with one linear_units and one attention_heads for all their blocks.
UNIFORM = {"encoder": ("conformer", "transformer", "e_branchformer"), "decoder": ("transformer",)}
KEYS = {"ffn_channel": "linear_units", "head": "attention_heads"}
BLOCK_KEYS = {"ffn_channel": "linear_size", "head": "heads"}
# Options that count blocks: without some of these, they would mean others.
NUMBERED = ("interctc_layer_idx", "gradient_checkpoint_layers", "stochastic_depth_rate")


@dataclass(frozen=True)
class Knob:
    """One size of a configuration. key: as written in reports; kind: of the structures below ``prefixes``."""

    key: str
    kind: str
    prefixes: tuple[str, ...]
    set: Callable[[int], None]

    def covers(self, path: str, kind: str) -> bool:
        """Whether it sizes the structure of this kind at this path of the model."""
        return kind == self.kind and path.startswith(self.prefixes)


def knobs(config: dict[str, Any]) -> list[Knob]:
    """The sizes that stock ESPnet reads from ``config``; setting one changes ``config``."""
    if _body(config) is not None:
        return _body_knobs(config["encoder_conf"])
    found = []
    for part, known in UNIFORM.items():
        if config.get(part) in known:
            conf = _conf(config, part)
            found += [Knob(f"{part}_conf.{key}", kind, (f"{part}.",), _setter(conf, key))
                      for kind, key in KEYS.items()]
    return found


def stacks(config: dict[str, Any]) -> list[tuple[str, str, Callable[[int], None]]]:
    """(path of the blocks, path of what feeds them, function that sets their number) of removable blocks."""
    found = []
    for part, known in UNIFORM.items():
        conf = _conf(config, part)
        numbered = any(isinstance(conf.get(key), list) and conf[key] for key in NUMBERED)
        if _body(config) is None and config.get(part) in known and not numbered:
            found.append((f"{part}.{part}s", f"{part}.embed", _setter(conf, "num_blocks")))
    return found


def why_it_stays(config: dict[str, Any], kind: str) -> str:
    """Why stock ESPnet cannot size a kind of structure."""
    if kind == "conv_channel":
        return "ESPnet ties the channels of its convolution modules to the size of the whole block"
    return "this model's configuration has no size of its own for it"


def merge_blocks(config: dict[str, Any]) -> None:
    """Write equal blocks of a transducer's body as one with ``num_blocks``, as people do."""
    blocks = _body(config)
    if blocks is None:
        return
    merged: list[dict[str, Any]] = []
    for block in blocks:
        before = merged[-1] if merged else {}
        if {**before, "num_blocks": 1} == {**block, "num_blocks": 1}:
            before["num_blocks"] += 1
        else:
            merged.append({**block, "num_blocks": 1})
    config["encoder_conf"]["body_conf"] = merged


def _body(config: dict[str, Any]) -> list[dict[str, Any]] | None:
    conf = config.get("encoder_conf")
    return conf.get("body_conf") if isinstance(conf, dict) else None


def _conf(config: dict[str, Any], part: str) -> dict[str, Any]:
    if not isinstance(config.get(f"{part}_conf"), dict):
        config[f"{part}_conf"] = {}
    return config[f"{part}_conf"]


def _setter(conf: dict[str, Any], key: str) -> Callable[[int], None]:
    return lambda size: conf.__setitem__(key, size)


def _body_knobs(conf: dict[str, Any]) -> list[Knob]:
    """Of a transducer's encoder: each block has sizes of its own, so ``num_blocks`` is written out."""
    conf["body_conf"] = [copy.deepcopy({key: value for key, value in block.items() if key != "num_blocks"})
                         for block in conf["body_conf"] for _ in range(block.get("num_blocks") or 1)]
    found = []
    for number, block in enumerate(conf["body_conf"]):
        # The Branchformers' linear_size is also that of their gating MLP, whose norm needs all its channels.
        kinds = {"conformer": BLOCK_KEYS, "branchformer": {"head": "heads"}, "ebranchformer": {"head": "heads"}}
        for kind, key in kinds.get(block.get("block_type"), {}).items():
            found.append(Knob(f"encoder_conf.body_conf[{number}].{key}", kind, (f"encoder.encoders.blocks.{number}.",),
                              _setter(block, key)))
    return found
