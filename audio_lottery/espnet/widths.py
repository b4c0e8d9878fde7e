"""Narrower models: the sizes in an ESPnet configuration scaled until the model has a wanted number of parameters."""

import copy
import json
from collections.abc import Callable, Iterator, Mapping
from math import lcm
from typing import Any

from audio_lottery.errors import LotteryError

# Keys of encoder_conf, decoder_conf and joint_network_conf that say how wide something is.
SIZES = ("output_size", "hidden_size", "linear_units", "cgmlp_linear_units", "linear_size", "conv_size", "channels",
         "embed_size", "joint_space_size")
# What attention runs over: a multiple of the heads, even for the positional encoding.
ATTENDED = ("output_size", "hidden_size")
# Cut into two halves by a gate.
HALVED = ("cgmlp_linear_units", "linear_size")
HEADS = ("attention_heads", "heads")
# The number of parameters is searched to this share of the dense model's sizes.
FINEST = 1 / 4096

Confs = Mapping[str, dict[str, Any]]


def narrow(confs: Confs, count: Callable[[Confs], int], target: int) -> Confs:
    """Configurations like ``confs`` ({"encoder_conf": {...}, ...}) of about ``target`` parameters.

    count: configurations -> parameters of the model, falling with the sizes. All sizes are scaled by one factor;
    since those that attention runs over come in steps, the others are then scaled further. Numbers of layers and
    heads stay. Raises LotteryError when the narrowest model is larger.
    """
    known: dict[str, int] = {}

    def error(wide: float, rest: float) -> int:
        made = scaled(confs, wide, rest)
        key = json.dumps(made, sort_keys=True)
        if key not in known:
            known[key] = count(made)
        return known[key] - target

    if (least := error(0, 0)) > 0:
        raise LotteryError(f"small_dense: no model of {target} parameters: with every size at its least it has "
                           f"{target + least}")
    tried = [(0.0, 0.0), (1.0, 1.0)]
    for wide in _around(lambda factor: error(factor, factor), 1.0):
        tried += [(wide, rest) for rest in _around(lambda factor, wide=wide: error(wide, factor), 1.0)]
    return scaled(confs, *min(tried, key=lambda both: abs(error(*both))))


def scaled(confs: Confs, wide: float, rest: float) -> Confs:
    """The sizes that attention runs over times ``wide``, the others times ``rest``, each at least one step."""
    made = copy.deepcopy(dict(confs))
    heads = lcm(2, *_heads(made)) if list(_heads(made)) else 1
    for part, conf in made.items():
        for holder, key in list(_sizes(conf)):
            attended = part == "encoder_conf" and key in ATTENDED
            step = heads if attended else 2 if key in HALVED else 1
            sizes = holder[key] if isinstance(holder[key], list) else [holder[key]]
            sizes = [max(step, round(size * (wide if attended else rest) / step) * step) for size in sizes]
            holder[key] = sizes if isinstance(holder[key], list) else sizes[0]
    return made


def _around(error: Callable[[float], int], high: float) -> tuple[float, float]:
    """Factors right below and right above the one where ``error``, rising, passes 0; both ``high`` if it doesn't."""
    low = 0.0
    if error(high) <= 0:
        return high, high
    while high - low > FINEST:
        middle = (low + high) / 2
        if error(middle) <= 0:
            low = middle
        else:
            high = middle
    return low, high


def _sizes(conf: Any) -> Iterator[tuple[dict, str]]:
    for key, value in conf.items() if isinstance(conf, dict) else ():
        if key in SIZES and (type(value) is int or (isinstance(value, list) and all(type(n) is int for n in value))):
            yield conf, key
        yield from _sizes(value)
    for one in conf if isinstance(conf, list) else ():
        yield from _sizes(one)


def _heads(conf: Any) -> Iterator[int]:
    for key, value in conf.items() if isinstance(conf, dict) else ():
        if key in HEADS and type(value) is int:
            yield value
        yield from _heads(value)
    for one in conf if isinstance(conf, list) else ():
        yield from _heads(one)
