"""Intervals and paired tests."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_lottery.metrics.significance import (
    bootstrap_interval,
    matched_pairs_p_worse,
    matches,
    permutation_p_worse,
)

errors = st.lists(st.integers(0, 6), min_size=1, max_size=40)


def test_interval_of_equal_utterances_is_a_point():
    assert bootstrap_interval([1] * 20, [5] * 20) == (20.0, 20.0)
    assert bootstrap_interval([0], [4]) == (0.0, 0.0)


def test_interval_of_two_utterances_by_hand():
    # draws of two out of {0 of 10, 10 of 10}: 0, 50, 50, 100 %, each a quarter
    low, high = bootstrap_interval([0, 10], [10, 10], confidence=0.95)
    assert (low, high) == (0.0, 100.0)
    assert bootstrap_interval([0, 10], [10, 10], confidence=0.4) == (50.0, 50.0)


def test_interval_agrees_with_the_normal_one_on_many_utterances():
    generator = np.random.default_rng(3)
    wrong = generator.binomial(5, 0.2, size=2000)
    low, high = bootstrap_interval(wrong, np.full(2000, 5))
    spread = 100 * math.sqrt(0.2 * 0.8 / 10000)
    centre = 100 * wrong.sum() / 10000
    assert low == pytest.approx(centre - 1.96 * spread, abs=0.1)
    assert high == pytest.approx(centre + 1.96 * spread, abs=0.1)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(4)
    covered = 0
    for trial in range(200):
        wrong = generator.binomial(6, 0.15, 150)
        low, high = bootstrap_interval(wrong, np.full(150, 6), samples=500, seed=trial)
        covered += low <= 15 <= high
    assert 178 <= covered <= 200  # 95% of 200, five standard deviations below


def test_interval_counts_the_words_of_each_draw_and_is_seeded():
    wrong, sizes = [0, 3, 1, 8], [2, 3, 9, 4]
    assert bootstrap_interval(wrong, sizes) == bootstrap_interval(wrong, sizes)
    few = [bootstrap_interval(wrong, sizes, samples=50, seed=seed) for seed in (0, 1)]
    assert few[0] != few[1]
    assert bootstrap_interval([2, 1], [0, 0]) == (0.0, 0.0)


def test_permutation_by_hand():
    assert permutation_p_worse([1, 1, 1], [0, 0, 0]) == 1 / 8
    assert permutation_p_worse([0, 0, 0], [1, 1, 1]) == 1.0
    assert permutation_p_worse([2, 0, 5], [0, 1, 5]) == 2 / 4  # +2-1: of +-2+-1, {3, 1} are at least 1
    assert permutation_p_worse([3, 3], [3, 3]) == 1.0


@settings(deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=10))
def test_permutation_is_exact_for_few_differences(difference):
    dense = [5] * len(difference)
    ticket = [5 + d for d in difference]
    sums = [sum(s * d for s, d in zip(signs, difference, strict=True))
            for signs in product((-1, 1), repeat=len(difference))]
    expected = sum(each >= sum(difference) for each in sums) / len(sums)
    assert permutation_p_worse(ticket, dense) == pytest.approx(expected)


@settings(deadline=None, max_examples=30)
@given(errors, st.randoms(use_true_random=False))
def test_p_values_lie_between_zero_and_one_and_ignore_the_order(ticket, random):
    dense = [random.randint(0, 6) for _ in ticket]
    order = random.sample(range(len(ticket)), len(ticket))
    shuffled = [ticket[n] for n in order], [dense[n] for n in order]
    assert 0 < permutation_p_worse(ticket, dense) <= 1
    assert 0 <= matched_pairs_p_worse(ticket, dense) <= 1
    assert matched_pairs_p_worse(*shuffled) == pytest.approx(matched_pairs_p_worse(ticket, dense))


def test_monte_carlo_agrees_with_the_normal_approximation_and_is_seeded():
    generator = np.random.default_rng(0)
    dense = generator.integers(0, 4, 400)
    ticket = np.maximum(dense + generator.integers(-1, 2, 400) + (generator.random(400) < 0.06), 0)
    p = permutation_p_worse(ticket, dense)
    assert p == pytest.approx(matched_pairs_p_worse(ticket, dense), abs=0.02)
    assert p == permutation_p_worse(ticket, dense)
    assert permutation_p_worse(dense + 1, dense, samples=999) == 1 / 1000


def test_level_of_the_permutation_test_when_nothing_differs():
    generator = np.random.default_rng(1)
    pairs = generator.binomial(6, 0.1, size=(400, 2, 60))
    rejected = np.mean([permutation_p_worse(a, b, samples=400) < 0.05 for a, b in pairs])
    assert rejected < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_matched_pairs_by_hand():
    # differences 1, 0, 1, 0: mean 0.5, sd 0.57735, z = 0.5 / (0.57735 / 2) = 1.7321
    assert matched_pairs_p_worse([1, 0, 1, 0], [0, 0, 0, 0]) == pytest.approx(0.04163, abs=1e-5)
    assert matched_pairs_p_worse([2, 2], [2, 2]) == 0.5
    assert matched_pairs_p_worse([3, 3], [2, 2]) == 0.0
    assert matched_pairs_p_worse([1, 1], [2, 2]) == 1.0


def test_matches():
    assert matches(0.05, 12, 10)
    assert not matches(0.049, 12, 10)
    assert matches(0.04, 12, 10, alpha=0.01)
    assert matches(0.5, 10.5, 10, margin=0.5)
    assert not matches(0.5, 10.6, 10, margin=0.5)
