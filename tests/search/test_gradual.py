"""Gradual pruning: the curve, the masks kept on the way, what is refused."""

import pytest
import torch

from audio_lottery.allocation import allocations
from audio_lottery.criteria import Evidence
from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask
from audio_lottery.pruning import prune_to
from audio_lottery.search import Job, Length, withins


def job(targets: dict[int, int], length: Length, size: int = 1000) -> tuple[Job, dict]:
    weights = {"w": torch.arange(1.0, size + 1).reshape(10, -1)}

    def draw(keep, mask, tensors, number, criterion):
        evidence = Evidence.of(tensors, mask)
        return prune_to(keep, mask, evidence, criterion or "magnitude", allocations.make("global", {}))

    return Job(Mask.ones(weights, ["w"]), targets, length, draw), weights


def run(course, weights, steps: int) -> tuple[list[int], dict[int, Mask], dict[int, int]]:
    """Weights that remain after each step, the masks found, and when."""
    mask, left, found, when = course.mask, [], {}, {}
    for step in range(1, steps + 1):
        if course.due(step):
            mask, now = course.change(step, mask, weights, {})
            found |= now
            when |= dict.fromkeys(now, step)
        left.append(mask.kept)
    return left, found, when


def test_the_cubic_curve_by_hand():
    """s(t) = 0.8 (1 - (1 - (t - 2) / 8)^3): at t = 4 0.8 * 37/64 = 0.4625, at 6 0.7, at 8 0.7875, at 10 0.8."""
    given, weights = job({1: 200}, Length(1, 12))
    course = withins.make("gradual", {"begin": "2it", "end": "10it", "every": "2it"}).course(given)
    left, found, when = run(course, weights, 12)
    assert left == [1000] * 3 + [538] * 2 + [300] * 2 + [212] * 2 + [200] * 3  # 537.5 and 212.5, half to even
    assert when == {1: 10} and found[1].kept == 200 and course.last == 10


def test_the_linear_curve_by_hand():
    given, weights = job({1: 200}, Length(2, 4))
    course = withins.make("gradual", {"curve": "linear", "end": 1.0, "every": "3it"}).course(given)
    assert run(course, weights, 8)[0] == [1000, 1000, 700, 700, 700, 400, 400, 200]  # end is an update of its own


def test_masks_are_kept_exactly_when_the_run_passes_their_density():
    targets = {1: 900, 2: 640, 3: 512, 4: 200}
    given, weights = job(targets, Length(1, 100))
    course = withins.make("gradual", {"every": "5it", "end": "50it"}).course(given)
    left, found, when = run(course, weights, 100)
    assert {number: mask.kept for number, mask in found.items()} == targets
    assert all(found[n + 1].is_subset(found[n]) for n in (1, 2, 3))
    # sparsity after 5, 10, 15 steps: 0.8 * (0.271, 0.488, 0.657), so what remains is 783, 610, 474
    assert when == {1: 5, 2: 10, 3: 15, 4: 50} and left[4] == 783 and left[9] == 610


@pytest.mark.parametrize("conf, said", [
    ({"begin": 0.5, "end": 0.4}, r"end: 0.4 \(step 40\) is not after begin: 0.5 \(step 50\): take an end from 51it"),
    ({"end": "2ep"}, "the run has 100 steps, so the density would not be reached: take end: 100it or earlier"),
    ({"every": "200it"}, "every: 200it is 200 steps, and pruning takes 80: take from 1it to 80it"),
    ({"every": 0}, "every: 0 is 0 steps"), ({"every": "often"}, "'often' is not a part of a training run"),
    ({"curve": "square"}, "curve: 'square' is unknown: choose from cubic, linear"),
    ({"begn": 0}, "did you mean begin"), ({"retrain": 1}, "retrain: 1 is not true or false"),
    ({"end": 1.5}, "end: 1.5 is not a part"),
])
def test_nonsense_is_refused(conf, said):
    given, _ = job({1: 200}, Length(1, 100))
    with pytest.raises(LotteryError, match=said):
        withins.make("gradual", conf).course(given)
