"""RigL and SET: who goes and who comes on a small tensor, the decay, the density."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.allocation import allocations
from audio_lottery.criteria import Evidence
from audio_lottery.errors import LotteryError
from audio_lottery.mask import Mask
from audio_lottery.pruning import prune_to
from audio_lottery.search import Job, Length, withins
from audio_lottery.search.regrow import drop_and_grow

SHAPES = {"small": (4, 3), "large": (40, 30)}


def job(length: Length, keep: int = 400, allocation: str = "erk", seed: int = 0) -> Job:
    def draw(count, mask, tensors, number, criterion):
        return prune_to(count, mask, Evidence.of(tensors, mask, seed=seed), criterion or "magnitude",
                        allocations.make(allocation, {}))

    whole = Mask.ones({name: torch.zeros(shape) for name, shape in SHAPES.items()}, SHAPES)
    return Job(whole, {1: keep}, length, draw, seed)


def test_drop_and_grow_by_hand():
    mask = torch.tensor([True, True, True, True, False, False, False, False])
    weight = torch.tensor([0.5, -0.1, 0.3, -0.2, 0, 0, 0, 0])
    score = torch.tensor([9.0, 8.0, 9.0, 0.1, 0.2, 3.0, 0.0, 1.0])
    # -0.1 and -0.2 go; of those that are out, the one just dropped (8) and the sixth (3) come.
    after = drop_and_grow(mask, weight, score, 2)
    assert after.tolist() == [True, True, True, False, False, True, False, False]
    assert torch.equal(drop_and_grow(mask, weight, score, 0), mask)


@given(st.integers(0, 2**30), st.integers(1, 40), st.floats(0, 1))
def test_the_count_stays_and_the_largest_stay(seed, size, part):
    generator = torch.Generator().manual_seed(seed)
    mask, weight = torch.rand(size, generator=generator) < part, torch.randn(size, generator=generator)
    count = int(0.3 * int(mask.sum()))
    after = drop_and_grow(mask, weight, torch.rand(size, generator=generator), count)
    assert after.sum() == mask.sum()
    assert (mask & ~after).sum() <= count


@pytest.mark.parametrize("name", ["rigl", "set"])
def test_the_density_of_each_tensor_is_erks_and_stays(name):
    course = withins.make(name, {"every": "2it", "end": "20it"}).course(job(Length(3, 10)))
    assert course.mask.kept == 400 and course.mask.densities["small"] > course.mask.densities["large"]
    assert [step for step in range(31) if course.due(step)] == list(range(0, 20, 2)) and course.last == 18
    generator, mask = torch.Generator().manual_seed(0), course.mask
    for step in range(2, 20, 2):
        weights, gradient = ({n: torch.randn(s, generator=generator) for n, s in SHAPES.items()} for _ in range(2))
        before, (mask, found) = mask, course.change(step, mask, weights, gradient)
        assert mask.kept_per_tensor == course.mask.kept_per_tensor and found == {}
        assert mask != before
        again, _ = course.change(step, before, weights, gradient)
        assert again == mask  # a killed run comes to the same


def test_rigl_decays_by_a_cosine():
    method = withins.make("rigl", {"alpha": 0.4})
    assert method.fraction(0, 100) == 0.4 and method.fraction(50, 100) == pytest.approx(0.2)
    assert method.fraction(25, 100) == pytest.approx(0.2 * (1 + math.sqrt(0.5))) and method.fraction(100, 100) == 0


def test_rigl_grows_where_the_gradient_is_largest():
    course = withins.make("rigl", {"every": "1it", "end": "20it"}).course(job(Length(2, 10)))
    out = ~course.mask["large"]
    gradient = {name: torch.zeros(shape) for name, shape in SHAPES.items()}
    wanted = out.nonzero()[:5]
    gradient["large"][tuple(wanted.T)] = -7.0
    weights = {name: torch.ones(shape) for name, shape in SHAPES.items()}
    mask, _ = course.change(1, course.mask, weights, gradient)
    assert mask["large"][tuple(wanted.T)].all()


@pytest.mark.parametrize("name, conf, said", [
    ("rigl", {"alpha": 1.5}, "alpha: 1.5 is out of range"), ("set", {"zeta": True}, "zeta: True is out of range"),
    ("rigl", {"every": "40it"}, "every: 40it is 40 steps, and the mask may change until step 22"),
    ("rigl", {"end": "9ep"}, "end: 9ep is step 90, the run has 30: take an end of at most 30it"),
    ("set", {"zeta": 0.2, "alpha": 0.3}, "unknown key alpha"),
])
def test_nonsense_is_refused(name, conf, said):
    with pytest.raises(LotteryError, match=said):
        withins.make(name, conf).course(job(Length(3, 10)))
