"""The k smallest scores are exactly those of a stable sort."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from audio_lottery import selection
from audio_lottery.errors import LotteryError
from audio_lottery.selection import Cut, find_cut, remaining


def by_sorting(scores: dict, k: int, within: dict) -> dict:
    """The definition: a stable sort of all scores that take part, in order."""
    order = sorted(
        (float(value), place, name)
        for place, (name, value) in enumerate(
            (name, value) for name, tensor in scores.items() for value in tensor.reshape(-1))
    )
    flags = {place: bool(flag) for place, flag in enumerate(f for n in scores for f in within[n].reshape(-1))}
    gone = {place for _, place, _ in [one for one in order if flags[one[1]]][:k]}
    kept, place = {}, 0
    for name, tensor in scores.items():
        bits = [flags[place + i] and place + i not in gone for i in range(tensor.numel())]
        kept[name] = torch.tensor(bits, dtype=torch.bool).reshape(tensor.shape)
        place += tensor.numel()
    return kept


TYPES = {torch.float32: (np.float32, 32), torch.float64: (np.float64, 64), torch.float16: (np.float16, 16)}


@st.composite
def cases(draw):
    dtype = draw(st.sampled_from(list(TYPES)))
    kind, width = TYPES[dtype]
    special = [0.0, -0.0, 1.0, -1.0, float("inf"), float("-inf"), 1e-7]
    values = st.one_of(st.sampled_from(special), st.floats(allow_nan=False, width=width))
    scores, within = {}, {}
    for n in range(draw(st.integers(1, 3))):
        shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, max_side=4))
        scores[f"t{n}"] = torch.from_numpy(np.array(draw(hnp.arrays(kind, shape, elements=values))))
        within[f"t{n}"] = torch.from_numpy(np.array(draw(hnp.arrays(bool, shape))))
    total = sum(int(mask.sum()) for mask in within.values())
    return scores, draw(st.integers(0, total)), within


@settings(max_examples=300, deadline=None)
@given(cases(), st.sampled_from([1, 3, 1 << 17]))
def test_equals_a_stable_sort(case, chunk):
    scores, k, within = case
    before, selection.CHUNK = selection.CHUNK, chunk
    try:
        found = remaining(scores, k, within)
    finally:
        selection.CHUNK = before
    expected = by_sorting(scores, k, within)
    for name in scores:
        assert torch.equal(found[name], expected[name]), (name, scores, k, within)


@pytest.mark.parametrize("count", [0, 1, 7, 199_999, 200_000, 399_999, 400_000])
def test_many_values_in_chunks_and_lazily(count):
    generator = torch.Generator().manual_seed(1)
    scores = {"a": torch.randn(400, 500, generator=generator), "b": torch.randn(200_000, generator=generator)}
    within = {name: torch.ones_like(t, dtype=torch.bool) for name, t in scores.items()}
    kept = remaining({name: lambda t=t: t for name, t in scores.items()}, count, within)
    assert sum(int((~mask).sum()) for mask in kept.values()) == count
    if count:
        threshold = torch.cat([t.flatten() for t in scores.values()]).kthvalue(count).values
        assert find_cut(scores, count, within).threshold == threshold


def test_ties_go_in_network_order_lowest_index_first():
    scores = {"b": torch.ones(2, 2), "a": torch.tensor([1.0, 0.0, 1.0])}
    within = {"b": torch.tensor([[True, False], [True, True]]), "a": torch.ones(3, dtype=torch.bool)}
    kept = remaining(scores, 3, within)
    assert kept["b"].tolist() == [[False, False], [False, True]]
    assert kept["a"].tolist() == [True, False, True]
    assert find_cut(scores, 3, within) == Cut(1.0, 2)


def test_not_contiguous_and_mixed_low_precision():
    scores = {"t": torch.arange(12.0).reshape(3, 4).T, "h": torch.tensor([0.5, 20.0], dtype=torch.bfloat16)}
    within = {name: torch.ones(t.shape, dtype=torch.bool) for name, t in scores.items()}
    kept = remaining(scores, 3, within)
    assert torch.equal(kept["t"], scores["t"] > 1) and kept["h"].tolist() == [False, True]


def test_nan_is_refused_by_name_unless_pruned():
    scores = {"a": torch.ones(3), "b.weight": torch.tensor([[1.0, float("nan")]])}
    within = {"a": torch.ones(3, dtype=torch.bool), "b.weight": torch.tensor([[True, True]])}
    for sign in (1, -1):
        with pytest.raises(LotteryError, match="^b.weight: NaN among its scores"):
            remaining({n: s.copysign(torch.tensor(sign)) for n, s in scores.items()}, 1, within)
    within["b.weight"] = torch.tensor([[True, False]])
    assert remaining(scores, 4, within)["b.weight"].tolist() == [[False, False]]


def test_more_than_there_are():
    with pytest.raises(LotteryError, match="3 weights asked for and only 2 remain"):
        remaining({"a": torch.ones(4)}, 3, {"a": torch.tensor([True, False, True, False])})
