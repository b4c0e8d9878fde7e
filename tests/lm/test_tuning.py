"""The search of weight and penalty."""

from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.lm.tuning import search

grid = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.3, 0.7, 1.1]), min_size=1, unique=True)


@given(grid, grid, st.floats(-1, 1), st.floats(-1, 1))
def test_finds_the_best_of_a_bowl_and_decodes_no_point_twice(weights, penalties, w0, p0):
    calls = []

    def errors(weight: float, penalty: float) -> int:
        calls.append((weight, penalty))
        return round(1e6 * ((weight - w0) ** 2 + (penalty - p0) ** 2))

    best = search(errors, weights, penalties)
    assert len(calls) == len(set(calls))
    assert errors(*best) == min(errors(w, p) for w in weights for p in penalties)


def test_a_model_that_does_not_help_gets_no_weight():
    assert search(lambda weight, penalty: 7, [0.5, 0.0, 1.0], [1.0, -0.5, 0.0]) == (0.0, 0.0)


def test_returns_to_the_weights_after_a_penalty():
    table = {(0, 0): 9, (1, 0): 8, (0, 1): 5, (1, 1): 6}
    assert search(lambda weight, penalty: table[weight, penalty], [0, 1], [0, 1]) == (0, 1)
