"""Whether weights from elsewhere are of this architecture, and which of its tensors belong to the vocabulary."""

import re
from collections.abc import Collection, Mapping

from torch import Tensor, nn

from audio_lottery.errors import LotteryError
from audio_lottery.scope import OUTPUT_PATTERNS

# Differences that an error names; the rest is counted.
SHOWN = 3


def refuse_other(own: Mapping[str, Tensor], other: Mapping[str, Tensor], where: str, without: Collection[str] = (),
                 ) -> None:
    """Raise LotteryError, naming the tensors, unless ``other`` has the names and shapes of ``own``.

    own, other: state dicts; without: names that may differ in shape. ``where`` is the file of ``other``.
    """
    found = []
    for name in [*own, *(name for name in other if name not in own)]:
        here, there = ("none" if name not in state else str(list(state[name].shape)) for state in (own, other))
        if here != there and not (name in without and "none" not in (here, there)):
            found.append(f"{name} is {there} there, {here} here")
    if found:
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise LotteryError(f"{where}: another architecture: {'; '.join(found[:SHOWN])}{more}: take the training "
                           "configuration that it was made with")


def vocabulary_tensors(model: nn.Module, size: int) -> tuple[str, ...]:
    """Names of all tensors of token embeddings and output layers, which mean nothing under other tokens.

    size: tokens in the list. A layer counts when its weight has one row a token, so that other embeddings
    (of positions, of languages) are left alone.
    """
    names = []
    for path, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if not isinstance(weight, Tensor) or weight.dim() < 2 or weight.shape[0] != size:
            continue
        output = any(re.search(pattern, f"{path}.weight") for pattern in OUTPUT_PATTERNS)
        if output or isinstance(module, nn.Embedding | nn.EmbeddingBag):
            names += [f"{path}.{name}" for name, _ in module.named_parameters(recurse=False, remove_duplicate=False)]
    return tuple(names)
