"""The overlap of two tickets' masks as plain values."""

from audio_lottery.analysis import Overlap, overlap, shared
from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask


def pair(first: str, second: str, masks: dict[str, Mask], restrict: bool) -> dict:
    """Of two of ``masks`` by name; restrict: on the tensors that both have. Raises LotteryError as overlap does."""
    try:
        a, b = shared(masks[first], masks[second]) if restrict else (masks[first], masks[second])
        whole, tensors = overlap(a, b)
    except LotteryError as error:
        raise LotteryError(f"{first} and {second}: {error}") from None
    whole_sizes = masks[first].numel, masks[second].numel
    parts = ", ".join(f"{a.numel / size:.1%}" for size in whole_sizes)
    restricted = "" if set(whole_sizes) == {a.numel} else f" ({len(a)} shared tensors, {parts} of their scopes)"
    return {"first": first, "second": second, "restricted": restricted, "all": _row(whole),
            "tensors": [_row(one) for one in tensors]}


def _row(one: Overlap) -> dict:
    return {"name": one.name or "all", "density_first": one.first / one.numel, "density_second": one.second / one.numel,
            "both": one.both, "jaccard": one.jaccard, "jaccard_by_chance": one.jaccard_by_chance,
            "above_chance": one.above_chance}
