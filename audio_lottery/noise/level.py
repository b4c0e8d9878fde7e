"""The level of speech, measured where somebody speaks."""

import numpy as np

FRAME = 0.020  # seconds
MARGIN = 10 ** (-15.9 / 10)
BRIDGE = 0.200  # seconds


def active_power(samples: np.ndarray, rate: int) -> float:
    """Mean square of mono ``samples`` (shape (n,), at ``rate`` Hz) over active speech; 0 for silence.

    As in ITU-T P.56, a frame is active when its level is no more than 15.9 dB below the active speech
    level itself, and pauses shorter than 200 ms count as speech. Unlike P.56 this gates frames of 20 ms
    instead of an exponential envelope, so activity does not trail 200 ms behind every burst: the level of
    a tone burst in silence is the tone's. Pauses around and between phrases don't change it.
    """
    if not len(samples):
        return 0.0
    square = np.square(samples - np.mean(samples, dtype=np.float64), dtype=np.float64)
    starts = np.arange(0, len(square), max(1, round(FRAME * rate)))
    energy = np.add.reduceat(square, starts)
    length = np.diff(np.append(starts, len(square)))
    active = np.ones(len(starts), dtype=bool)
    while True:
        # Frames only ever leave, all of them below the mean, so the level rises until nothing changes.
        level = energy[active].sum() / length[active].sum()
        now = _bridge(energy > level * MARGIN * length) & active
        if level == 0 or (now == active).all():
            return float(level)
        active = now


def _bridge(active: np.ndarray) -> np.ndarray:
    """Fill the gaps between active frames that are shorter than 200 ms."""
    on = np.flatnonzero(active)
    filled = active.copy()
    for left, right in zip(on[:-1], on[1:], strict=True):
        if 1 < right - left <= round(BRIDGE / FRAME):
            filled[left:right] = True
    return filled
