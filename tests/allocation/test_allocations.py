"""Each allocation by hand."""

import pytest
import torch

from audio_lottery import granularity
from audio_lottery.allocation import Request, allocations
from audio_lottery.allocation.output import level
from audio_lottery.criteria import Calibration, Evidence
from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask
from audio_lottery.pruning import prune_to

SHAPES = {"a.weight": (10, 10), "b.weight": (20, 10), "c.weight": (10, 30), "d.weight": (40, 10)}


@pytest.fixture()
def ones() -> Mask:
    return Mask({name: torch.ones(shape, dtype=torch.bool) for name, shape in SHAPES.items()})


def counts(name: str, ones: Mask, count: int, /, **options) -> dict:
    return {budget.names: budget.count for budget in allocations.get(name)(**options)(Request(ones, count))}


def test_uniform(ones):
    assert list(counts("uniform", ones, 200).values()) == [20, 40, 60, 80]


def test_uniform_leaves_a_sparser_tensor_alone(ones):
    tensors = dict(ones)
    tensors["a.weight"] = torch.arange(100).view(10, 10) < 10
    # 820 of 910 remain: a has its 10, the other 900 share 810.
    assert list(counts("uniform", Mask(tensors), 90).values()) == [0, 20, 30, 40]


def test_even_has_no_remainders():
    ones = Mask({name: torch.ones(3, dtype=torch.bool) for name in "abc"})
    # 4 of 9 are to go: uniform gives one layer more than the others, even does not.
    assert sorted(counts("uniform", ones, 4).values()) == [1, 1, 2]
    assert list(counts("even", ones, 4).values()) == [1, 1, 1]


def test_erk(ones):
    # Sums of dimensions 20, 30, 40, 50: of 140 kept weights, 20, 30, 40, 50.
    assert list(counts("erk", ones, 860).values()) == [80, 170, 260, 350]
    # Of 770, a (110) would be over 100: it is dense, and 30, 40, 50 share 670.
    assert list(counts("erk", ones, 230).values()) == [0, 200 - 168, 300 - 223, 400 - 279]


def test_layerwise_thirds(ones):
    found = counts("layerwise", ones, 200)
    # Four layers: two, one, one. 1.1 * 300 : 1.0 * 300 : 0.9 * 400 of 200, as 330 : 300 : 360 of 990.
    assert found == {("a.weight", "b.weight"): 67, ("c.weight",): 60, ("d.weight",): 73}
    assert sum(found.values()) == 200


def test_layerwise_of_equal_groups_has_the_factors_themselves():
    ones = Mask({str(n): torch.ones(10, 10, dtype=torch.bool) for n in range(6)})
    assert list(counts("layerwise", ones, 120).values()) == [44, 40, 36]
    assert list(counts("layerwise", ones, 120, factors=[1, 3]).values()) == [30, 90]


def test_layerwise_keeps_units_together(ones):
    request = Request(ones, 100, units=(("a.weight",), ("b.weight", "c.weight"), ("d.weight",)))
    assert [budget.names for budget in allocations.get("layerwise")()(request)] == list(request.units)


def test_copied(ones, tmp_path):
    other = dict(ones)
    for name, kept in zip(SHAPES, (50, 100, 30, 20), strict=True):
        other[name] = torch.arange(other[name].numel()).view(SHAPES[name]) < kept
    Mask(other).save(tmp_path / "other.safetensors")
    path = str(tmp_path / "other.safetensors")
    assert list(counts("copied", ones, 800, mask=path).values()) == [50, 100, 270, 380]
    assert list(counts("copied", ones, 900, mask=path).values()) == [75, 150, 285, 390]
    (tmp_path / "masks").mkdir()
    Mask(other).save(tmp_path / "masks/round_01.safetensors")
    assert list(counts("copied", ones, 800, mask=str(tmp_path)).values()) == [50, 100, 270, 380]


def test_output_by_hand():
    """Wanda's example: a row of small weights keeps as many as a row of large ones."""
    weights = {"a": torch.tensor([[1.0, 2, 3, 4], [80, 70, 60, 50]]), "b": torch.tensor([5.0, 9, 9, 1])}
    ones = Mask.ones(weights, weights)
    output = allocations.get("output")()
    half = prune_to(6, ones, Evidence.of(weights, ones), "magnitude", output)
    assert half["a"].tolist() == [[False, False, True, True], [True, True, False, False]]
    assert half["b"].tolist() == [False, True, True, False]
    # Of 5, the tensors' shares are 10/3 and 5/3, so 3 and 2: the first row of a has one more; nested.
    less = prune_to(5, half, Evidence.of(weights, ones), "magnitude", output)
    assert less["a"].sum(1).tolist() == [2, 1] and less["b"].sum() == 2 and less.is_subset(half)
    with pytest.raises(LotteryError, match="a: NaN among its scores"):
        prune_to(6, ones, Evidence.of(weights | {"a": weights["a"] / 0 * 0}, ones), "magnitude", output)
    rows = granularity.parse("row").bind({"a": (2, 4), "b": (4,)}, None)
    with pytest.raises(LotteryError, match="compares single weights, not groups: take granularity: weight"):
        prune_to(6, ones, Evidence.of(weights, ones), "magnitude", output, rows)


@pytest.mark.parametrize("alive, keep, kept", [
    ([4, 4, 4], 7, [3, 2, 2]), ([1, 4, 4], 7, [1, 3, 3]), ([0, 2, 5], 4, [0, 2, 2]), ([1, 1], 2, [1, 1]),
    ([3, 3], 0, [0, 0]), ([1, 5, 5], 10, [1, 5, 4]),
])
def test_outputs_keep_equally_many_as_far_as_they_have_them(alive, keep, kept):
    assert level(torch.tensor(alive), keep).tolist() == kept


def test_wanda_as_in_its_paper():
    """|w| times the input's norm, the lowest half of each row: norms 1, 2, 3, 4 reorder the first row."""
    layer = torch.nn.Linear(4, 2, bias=False)
    layer.weight.data.copy_(torch.tensor([[4.0, 3, 2, -1], [0.4, 0.01, 0.01, -0.2]]))
    data = [torch.diag(torch.tensor([1.0, 2, 3, 4]))]  # scores 4, 6, 6, 4 and 0.4, 0.02, 0.03, 0.8
    given = Evidence({"weight": layer.weight}, calibration=Calibration(
        layer, lambda: data, lambda: data, lambda net, batch: net(batch).sum(), None))
    mask = prune_to(4, Mask.ones(layer, ["weight"]), given, "wanda", allocations.get("output")())
    assert mask["weight"].tolist() == [[False, True, True, False], [True, False, False, True]]
    everywhere = prune_to(4, Mask.ones(layer, ["weight"]), given, "wanda", allocations.get("global")())
    assert everywhere["weight"].tolist() == [[True] * 4, [False] * 4]


def test_bounded_by_hand():
    """Weights 1..10 and 11..20: a threshold takes the first tensor's ten smallest of twelve."""
    weights = {"a": torch.arange(1.0, 11).view(2, 5), "b": torch.arange(11.0, 21).view(2, 5)}
    ones = Mask.ones(weights, weights)

    def kept(count, **bounds):
        allocation = allocations.get("bounded")(**bounds)
        found = prune_to(20 - count, ones, Evidence.of(weights, ones), "magnitude", allocation)
        assert found.kept == 20 - count
        return list(found.kept_per_tensor.values())

    assert kept(12) == [0, 8]
    assert kept(12, minimum={"a": 0.3}) == [3, 5]
    assert kept(12, maximum={"^b": 0.6}) == [2, 6]
    assert kept(6, minimum={"a": 0.3}) == [4, 10]  # no bound is reached: as if there were none
    assert kept(12, minimum={"a": 0.1}, maximum={"b": 0.5}) == [3, 5]


@pytest.mark.parametrize("options, said", [
    ({"minimum": {"x": 0.3}}, "'x' matches no tensor in scope"),
    ({"minimum": {"a": 0.9}}, "density 0.1000 and the minima give 0.2250: loosen the minima"),
    ({"maximum": {".": 0.05}}, "density 0.1000 and the maxima give 0.0250"),
    ({"minimum": {"a": 0.2}, "maximum": {"a": 0.1}}, "minimum 0.200 and maximum 0.100"),
    ({"minimum": {"a": 2}}, "2 is not a density"),
    ({"minimum": {"(": 0.2}}, "not a regular expression"),
    ({"minimum": 0.2}, "minimum: 0.2: write"),
])
def test_bounds_that_cannot_be_met(options, said):
    weights = {"a": torch.rand(1, 10), "b": torch.rand(3, 10)}
    ones = Mask.ones(weights, weights)
    with pytest.raises(LotteryError, match=said):
        prune_to(4, ones, Evidence.of(weights, ones), "magnitude", allocations.get("bounded")(**options))
    with pytest.raises(LotteryError, match=said):
        allocations.get("bounded")(**options).check({"a": 10, "b": 30}, [4])


@pytest.mark.parametrize("factors", [[1.0], [1, -1], "1.1", 3])
def test_bad_factors(factors):
    with pytest.raises(LotteryError, match="two or more positive numbers"):
        allocations.get("layerwise")(factors=factors)


def test_copied_from_another_scope_is_refused(ones, tmp_path):
    Mask({"a.weight": ones["a.weight"]}).save(tmp_path / "m.safetensors")
    with pytest.raises(LotteryError, match="b.weight is not in this mask"):
        counts("copied", ones, 1, mask=str(tmp_path / "m.safetensors"))
    with pytest.raises(LotteryError, match="mask is missing"):
        allocations.get("copied")()
