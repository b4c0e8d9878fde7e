"""The scope: which tensors of a network may lose weights.

By default the matrices and kernels of Linear, convolution, recurrent and attention modules are in
scope. Biases, norms and embeddings never are; the output layer only when asked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from audio_lottery.errors import LotteryError
from audio_lottery.gates import blocks_of

OUTPUT_PATTERNS = (r"(^|\.)(ctc_lo|ctc_lin|lm_lin|output_layer|lin_out)\.weight$", r"(^|\.)decoder\.output\.weight$")
# What classify() calls a tensor that is never in scope.
BIAS, NORM, EMBEDDING, OUTPUT, UNKNOWN = "bias", "norm", "embedding", "output", "unknown"
OUT_OF_SCOPE = (BIAS, NORM, EMBEDDING, OUTPUT, UNKNOWN)

_NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
_RECURRENT = ((nn.LSTM, nn.LSTMCell), "lstm"), ((nn.GRU, nn.GRUCell), "gru"), ((nn.RNN, nn.RNNCell), "rnn")
_RECURRENT_PARTS = {"weight_ih": "input", "weight_hh": "recurrent", "weight_hr": "projection"}
_ATTENTION_MATRICES = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")


@dataclass(frozen=True)
class ScopeConfig:
    """What is in scope. The patterns are regular expressions searched for in parameter names.

    include: when given, only parameters that match one of them. A pattern that matches the whole
        name also brings in a matrix of a module that the scope doesn't know.
    exclude: parameters that match one of them stay dense.
    output_layer: whether output layers are in scope.
    output_patterns: names of output layers (ESPnet's by default).
    gates: whether each gate of an LSTM or GRU matrix is a tensor of its own for allocation and in tables,
        see audio_lottery.gates.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    output_layer: bool = False
    output_patterns: tuple[str, ...] = OUTPUT_PATTERNS
    gates: bool = False


@dataclass(frozen=True)
class ScopedTensor:
    """A tensor in scope. ``kind`` tells the module type and part, as ``conv1d_depthwise``."""

    name: str
    shape: tuple[int, ...]
    numel: int
    kind: str


def find_scope(model: nn.Module, config: ScopeConfig | None = None) -> dict[str, ScopedTensor]:
    """The tensors in scope, in network order (that of ``named_parameters``), tied ones once.

    Raises LotteryError for a pattern that doesn't compile or matches no parameter (include), and
    for a scope that is empty, or has no gates where they are asked for.
    """
    config = config or ScopeConfig()
    include = _compile(config.include, "include")
    exclude = _compile(config.exclude, "exclude")
    aliases = tied_names(model)
    for pattern in include:
        if not any(pattern.search(name) for names in aliases.values() for name in names):
            raise LotteryError(
                f"scope: include pattern {pattern.pattern!r} matches no parameter: "
                f"see the names with 'audio-lottery show', e.g. {next(iter(aliases), 'none')}"
            )
    kinds = classify(model, config)
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    scope = {}
    for name, kind in kinds.items():
        if kind == UNKNOWN and any(p.fullmatch(alias) for p in include for alias in aliases[name]):
            kind = "other"
        if kind in OUT_OF_SCOPE and not (kind == OUTPUT and config.output_layer):
            continue
        if include and not _matches(include, aliases[name]) or _matches(exclude, aliases[name]):
            continue
        shape = shapes[name]
        scope[name] = ScopedTensor(name, shape, torch.Size(shape).numel(), kind)
    if not scope:
        raise LotteryError(
            f"scope: nothing is in scope (include {list(config.include)}, exclude {list(config.exclude)}, "
            f"output_layer {config.output_layer}): widen the patterns"
        )
    if config.gates and not blocks_of({name: tensor.kind for name, tensor in scope.items()}):
        raise LotteryError("scope.gates: no LSTM or GRU matrix is in scope: leave gates out, or widen the scope")
    return scope


def classify(model: nn.Module, config: ScopeConfig | None = None) -> dict[str, str]:
    """The kind of every parameter, in network order: a scope kind or one of OUT_OF_SCOPE.

    A tied tensor is an embedding when any of its owners is one, else an output layer when any of
    its names is one's, else what its first known owner makes it.
    """
    config = config or ScopeConfig()
    outputs = _compile(config.output_patterns, "output")
    owners: dict[int, list[str]] = {}
    for kind, parameter in _owned(model):
        owners.setdefault(id(parameter), []).append(kind)
    aliases = tied_names(model)
    result = {}
    for name, parameter in model.named_parameters():
        kinds = owners[id(parameter)]
        known = [kind for kind in kinds if kind not in (UNKNOWN, BIAS)]
        if EMBEDDING in kinds:
            result[name] = EMBEDDING
        elif known and known[0] != NORM and _matches(outputs, aliases[name]):
            result[name] = OUTPUT
        else:
            result[name] = (known or kinds)[0]
    return result


def unknown_tensors(model: nn.Module) -> dict[str, tuple[int, ...]]:
    """Names and shapes of matrices of modules that the scope doesn't know: they stay dense."""
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    return {name: shapes[name] for name, kind in classify(model).items() if kind == UNKNOWN}


def _owned(model: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    for path, module in model.named_modules():
        parent = model.get_submodule(path.rpartition(".")[0]) if path else None
        for name, parameter in module.named_parameters(recurse=False):
            yield _kind(module, name, parameter, parent, path.rpartition(".")[2]), parameter


def _kind(module: nn.Module, name: str, parameter: nn.Parameter, parent: nn.Module | None, child: str) -> str:
    if isinstance(module, _EMBEDDINGS):
        return EMBEDDING
    if isinstance(module, _NORMS) or "Norm" in type(module).__name__:
        return NORM
    # ESPnet's pos_bias_u and pos_bias_v are matrices by shape only.
    if "bias" in name or parameter.dim() < 2 or not parameter.is_floating_point():
        return BIAS
    if isinstance(module, nn.Linear) and name == "weight":
        if child == "linear_pos":
            return "position"
        return "attention" if "Attention" in type(parent).__name__ else "linear"
    if isinstance(module, _ConvNd) and name == "weight":
        return _convolution_kind(module)
    if isinstance(module, nn.MultiheadAttention) and name in _ATTENTION_MATRICES:
        return "attention"
    for types, kind in _RECURRENT:
        if isinstance(module, types) and name[:9] in _RECURRENT_PARTS:
            return f"{kind}_{_RECURRENT_PARTS[name[:9]]}"
    return UNKNOWN


def _convolution_kind(module: _ConvNd) -> str:
    kind = f"conv{len(module.kernel_size)}d" + ("_transposed" if module.transposed else "")
    if module.groups > 1 and module.groups == module.in_channels:
        return kind + "_depthwise"
    return kind + ("_pointwise" if set(module.kernel_size) == {1} else "")


def tied_names(model: nn.Module) -> dict[str, list[str]]:
    """First name of each parameter -> all its names (more than one when it is tied)."""
    first = {id(parameter): name for name, parameter in model.named_parameters()}
    aliases: dict[str, list[str]] = {name: [] for name in first.values()}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        aliases[first[id(parameter)]].append(name)
    return aliases


def _matches(patterns: list[re.Pattern], names: list[str]) -> bool:
    return any(pattern.search(name) for pattern in patterns for name in names)


def _compile(patterns: tuple[str, ...], option: str) -> list[re.Pattern]:
    compiled = []
    for pattern in patterns:
        try:
            compiled.append(re.compile(pattern))
        except re.error as error:
            raise LotteryError(
                f"scope: {option} pattern {pattern!r} is not a regular expression ({error}): correct it"
            ) from None
    return compiled
