"""Early-bird's distance and window by hand; a stop after a part of the training."""

import pytest
import torch

from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask
from audio_lottery.search import Length, stops
from audio_lottery.search.early_bird import distance
from audio_lottery.search.span import Span

LENGTH = Length(8, 10)


def mask(*pruned: int) -> Mask:
    kept = torch.ones(10, dtype=torch.bool)
    kept[list(pruned)] = False
    return Mask({"a": kept[:4], "b": kept[4:].reshape(2, 3)})


def test_the_distance_by_hand():
    assert distance(mask(0, 1), mask(0, 1)) == 0
    assert distance(mask(0, 1), mask(0, 5)) == 0.2  # one kept here, one kept there, of ten
    assert distance(mask(0, 1), mask(8, 9)) == 0.4


def test_the_newest_mask_must_be_near_all_others_of_a_full_window():
    bird = stops.make("early_bird", {"window": 3, "threshold": 0.25})
    far, near, newest = mask(8, 9), mask(0, 5), mask(0, 1)
    assert not bird.reached(2, LENGTH, [near, newest])  # the window is not full
    assert not bird.reached(3, LENGTH, [far, near, newest])  # 0.4 away from the first
    assert bird.reached(4, LENGTH, [near, near, newest])
    assert not stops.make("early_bird", {"window": 3, "threshold": 0.2}).reached(4, LENGTH, [near, near, newest])


@pytest.mark.parametrize("after, epoch", [("3ep", 3), (0.25, 2), (0.26, 3)])
def test_a_part_of_the_training_in_whole_epochs(after, epoch):
    stop = stops.make("early", {"after": after})
    stop.check(LENGTH)
    assert [stop.reached(one, LENGTH, []) for one in range(1, 9)] == [one >= epoch for one in range(1, 9)]


@pytest.mark.parametrize("name, conf, said", [
    ("early", {"after": "8ep"}, "after: 8ep is 8 of 8 epochs: take 1ep to 7ep"),
    ("early", {"after": 0}, "is 0 of 8 epochs"), ("early", {"after": "5it"}, "rounds stop at the end of an epoch"),
    ("early_bird", {"window": 8}, "window: 8 epochs, of a training of 8: take at most 7"),
    ("early_bird", {"window": 1}, "at least 2 epochs"), ("early_bird", {"threshold": 1.0}, "threshold: 1.0 is out"),
])
def test_nonsense_is_refused(name, conf, said):
    with pytest.raises(LotteryError, match=said):
        stops.make(name, conf).check(LENGTH)


def test_spans():
    assert Span.parse("12it", "x").steps(LENGTH) == 12 and Span.parse("2 ep", "x").steps(LENGTH) == 20
    assert Span.parse(0.3, "x").steps(LENGTH) == 24 and Span.parse("0.1", "x").steps(LENGTH) == 8
    assert Span.parse(0.001, "x").interval(LENGTH) == 1 and Span.parse("0it", "x").interval(LENGTH) == 0
    for bad in (-0.1, 2, "2km", None, True):
        with pytest.raises(LotteryError, match="is not a part of a training run"):
            Span.parse(bad, "x")
