"""Gates of LSTM and GRU matrices, each a tensor of its own for allocation and tables; files don't know them.

torch stacks a recurrent matrix's gates as equal blocks of rows: input, forget, cell and output (i, f, g, o)
of an LSTM, reset, update and new (r, z, n) of a GRU. A gate's block is named ``<matrix>.<gate>``, as
``decoder.rnn.0.weight_hh_l0.f``.
"""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

GATES = {"lstm": "ifgo", "gru": "rzn"}

# Matrix -> the names of its gates' blocks, in order of their rows.
Blocks = Mapping[str, tuple[str, ...]]


def blocks_of(kinds: Mapping[str, str]) -> Blocks:
    """The gates of every input and recurrent matrix. kinds: tensor -> its kind, see audio_lottery.scope."""
    found = {}
    for name, kind in kinds.items():
        cell, _, part = kind.partition("_")
        if part in ("input", "recurrent") and cell in GATES:
            found[name] = tuple(f"{name}.{gate}" for gate in GATES[cell])
    return found


def split(tensors: Mapping[str, Tensor], blocks: Blocks) -> dict[str, Tensor]:
    """Every matrix replaced by views of its blocks, in network order."""
    result: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        names = blocks.get(name, (name,))
        result |= zip(names, tensor.chunk(len(names)) if len(names) > 1 else (tensor,), strict=True)
    return result


def join(parts: Mapping[str, Tensor], names: Iterable[str], blocks: Blocks) -> dict[str, Tensor]:
    """The tensors ``names`` put together again: the reverse of split()."""
    return {name: torch.cat([parts[block] for block in blocks[name]]) if name in blocks else parts[name]
            for name in names}


def part(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    """The tensor of this name, or the block of one gate. Raises KeyError where there is none."""
    matrix, _, gate = name.rpartition(".")
    if name in tensors:
        return tensors[name]
    for gates in GATES.values():
        if len(gate) == 1 and gate in gates:
            return tensors[matrix].chunk(len(gates))[gates.index(gate)]
    raise KeyError(name)
