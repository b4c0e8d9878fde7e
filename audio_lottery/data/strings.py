"""What the digit corpora share: the words, and random strings of 3 to 7 digits."""

import random

WORDS = "ZERO ONE TWO THREE FOUR FIVE SIX SEVEN EIGHT NINE".split()
SHORTEST, LONGEST = 3, 7


def random_lengths(total: int, rng: random.Random) -> list[int]:
    """Cut ``total`` digits into strings of 3 to 7 (one shorter string when there are fewer than 3)."""
    lengths = []
    while total > 0:
        n = min(rng.randint(SHORTEST, LONGEST), total)
        if 0 < total - n < SHORTEST:  # never leave a rest too short for a string of its own
            n = total if total <= LONGEST else total - SHORTEST
        lengths.append(n)
        total -= n
    return lengths
