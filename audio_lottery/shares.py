"""What share of a network each kind of tensor and each module has, and what a mask keeps of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import nn

from audio_lottery.gates import blocks_of, split
from audio_lottery.mask import Mask
from audio_lottery.scope import OUT_OF_SCOPE, ScopeConfig, classify, find_scope, unknown_tensors


@dataclass(frozen=True)
class Row:
    """A group of tensors: their number, weights, share of the model, and the weights that remain."""

    name: str
    tensors: int
    weights: int
    share: float | None
    kept: int

    @property
    def density(self) -> float:
        """Fraction of the weights that remains."""
        return self.kept / max(self.weights, 1)


def module_of(name: str) -> str:
    """The part of the network a tensor belongs to: ``encoder.embed``, ``encoder.encoders.3``."""
    parts = name.split(".")[:-1]
    return ".".join(parts[: 3 if parts[2:3] and parts[2].isdigit() else 2]) or name


def rows(groups: Mapping[str, str], sizes: Mapping[str, int], kept: Mapping[str, int], whole: int | None,
         ) -> list[Row]:
    """One Row a group, in order of appearance.

    groups: tensor -> its group; sizes, kept: tensor -> weights; whole: the model's parameters, if known.
    """
    names: dict[str, list[str]] = {}
    for tensor, group in groups.items():
        names.setdefault(group, []).append(tensor)
    return [_row(group, tensors, sizes, kept, whole) for group, tensors in names.items()]


def _row(group: str, tensors: Iterable[str], sizes, kept, whole: int | None) -> Row:
    tensors = list(tensors)
    weights = sum(sizes[name] for name in tensors)
    share = weights / whole if whole else None
    return Row(group, len(tensors), weights, share, sum(kept.get(name, sizes[name]) for name in tensors))


@dataclass(frozen=True)
class Shares:
    """Rows of the tensors in scope by kind and module, of the others by why they are out of it.

    ``by_kind``, ``outside``, ``unknown`` and ``whole`` are empty or None for a mask without a model. With
    ``scope.gates``, gates are tensors and kinds of their own.
    """

    scope: Row
    whole: Row | None
    by_kind: list[Row]
    by_module: list[Row]
    by_tensor: list[Row]
    outside: list[Row]
    unknown: dict[str, tuple[int, ...]]


def of_model(model: nn.Module, config: ScopeConfig, mask: Mask | None = None) -> Shares:
    """The shares of ``model``; with a mask, its tensors are the scope.

    Raises LotteryError as find_scope does, and when the mask doesn't fit.
    """
    kinds = classify(model, config)
    if mask is not None:
        mask.validate(model)
    scope = {name: kinds[name] for name in mask} if mask is not None else {
        name: tensor.kind for name, tensor in find_scope(model, config).items()}
    outside = {n: k if k in OUT_OF_SCOPE else "excluded" for n, k in kinds.items() if n not in scope}
    unknown = {name: shape for name, shape in unknown_tensors(model).items() if name not in scope}
    modules = {name: module_of(name) for name in scope}
    blocks = blocks_of(scope) if config.gates else {}
    for name, gates in blocks.items():
        kind, module = scope.pop(name), modules.pop(name)
        scope |= {gate: f"{kind}.{gate.rpartition('.')[2]}" for gate in gates}
        modules |= dict.fromkeys(gates, module)
    parts = split(dict(model.named_parameters()), blocks)
    sizes = {name: part.numel() for name, part in parts.items()}
    scope, modules = ({name: group[name] for name in parts if name in group} for group in (scope, modules))
    kept = Mask(split(mask, blocks)).kept_per_tensor if mask is not None else {}
    whole = _row("whole model", sizes, sizes, kept, sum(sizes.values()))
    return Shares(
        scope=_row("in scope", scope, sizes, kept, whole.weights),
        whole=whole,
        by_kind=rows(scope, sizes, kept, whole.weights),
        by_module=rows(modules, sizes, kept, whole.weights),
        by_tensor=rows({name: name for name in scope}, sizes, kept, whole.weights),
        outside=rows(outside, sizes, kept, whole.weights),
        unknown=unknown,
    )


def of_mask(mask: Mask) -> Shares:
    """What is known without the model."""
    sizes, kept = {name: tensor.numel() for name, tensor in mask.items()}, mask.kept_per_tensor
    by_module = rows({name: module_of(name) for name in mask}, sizes, kept, None)
    by_tensor = rows({name: name for name in mask}, sizes, kept, None)
    return Shares(_row("in scope", mask, sizes, kept, None), None, [], by_module, by_tensor, [], {})
