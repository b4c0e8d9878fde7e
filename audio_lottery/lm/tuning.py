"""The search of a language model's weight and of the insertion penalty."""

from collections.abc import Callable, Sequence


def search(
    errors: Callable[[float, float], int], weights: Sequence[float], penalties: Sequence[float]
) -> tuple[float, float]:
    """The (weight, penalty) with the fewest errors, found one axis at a time.

    ``errors(weight, penalty)`` decodes and counts; it is called once a point. All weights are tried at the
    penalty nearest to 0, then all penalties at the best weight, then weights again, until neither moves.
    Of equal points the one nearest to 0 is taken: the weaker model.
    """
    seen: dict[tuple[float, float], int] = {}

    def rank(point: tuple[float, float]) -> tuple[int, float, float]:
        if point not in seen:
            seen[point] = errors(*point)
        return seen[point], abs(point[0]), abs(point[1])

    best = (min(weights, key=abs), min(penalties, key=abs))
    while True:
        moved = min(((weight, best[1]) for weight in weights), key=rank)
        moved = min(((moved[0], penalty) for penalty in penalties), key=rank)
        if moved == best:
            return best
        best = moved
