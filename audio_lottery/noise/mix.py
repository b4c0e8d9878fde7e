"""Adding noise to speech at an SNR, the same way every time for the same utterance."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from audio_lottery.errors import LotteryError
from audio_lottery.noise.level import active_power
from audio_lottery.noise.sources import Source, source

FULL_SCALE = 32767 / 32768  # the largest sample that 16 bits hold


@dataclass(frozen=True)
class Mixed:
    """What was done to an utterance; ``scale`` is below 1 where the sum would have clipped."""

    noise: str
    snr: float
    scale: float

    def row(self, utterance: str) -> dict:
        """As a row of a JSON-lines file."""
        return {"utterance": utterance, **asdict(self)}


def mix(speech: np.ndarray, noise: np.ndarray, snr: float, rate: int) -> tuple[np.ndarray, float]:
    """``speech + noise`` at ``snr`` dB, and the factor both were scaled by so that nothing clips.

    ``speech`` and ``noise`` have shape (n,), at ``rate`` Hz and +-1 full scale. The SNR is the mean square
    of the speech where it is active (:func:`audio_lottery.noise.level.active_power`) over that of
    the whole stretch of noise. ValueError when either is silent.
    """
    level = active_power(speech, rate)
    power = float(np.mean(np.square(noise, dtype=np.float64)))
    if not level or not power:
        raise ValueError("silence has no SNR")
    mixture = speech + noise * np.sqrt(level / power / 10 ** (snr / 10))
    scale = min(1.0, FULL_SCALE / float(np.abs(mixture).max()))
    return (mixture * scale).astype(np.float32), scale


class Mixer:
    """Adds noise to utterances; what it draws depends on the seed, the utterance's id and the epoch alone.

    ``snr``: (lowest, highest) in dB, drawn uniformly. ``probability``: of an utterance to get noise.
    The same seed draws the same noise at every SNR, so test sets at several SNRs can be compared.
    """

    def __init__(self, sources: Sequence[Source], snr: tuple[float, float], probability: float = 1.0, seed: int = 0):
        self.sources = list(sources)
        self.snr = snr
        self.probability = probability
        self.seed = seed

    def __call__(
        self, utterance: str, speech: np.ndarray, rate: int, epoch: int = 0
    ) -> tuple[np.ndarray, Mixed | None]:
        """The noisy utterance, shape (n,) as ``speech``, and what was done, None when it stays clean."""
        key = hashlib.sha256(f"{self.seed} {epoch} {utterance}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(key[:16]))
        chance, place, which = rng.random(3)
        if chance >= self.probability:
            return speech, None
        if not active_power(speech, rate):
            raise LotteryError(f"{utterance}: silent audio has no SNR: remove the utterance")
        chosen = self.sources[int(which * len(self.sources))]
        noise, name = chosen.draw(rng, len(speech), rate, utterance)
        snr = self.snr[0] + place * (self.snr[1] - self.snr[0])
        mixture, scale = mix(speech, noise, snr, rate)
        return mixture, Mixed(name, snr, scale)


def make_mixer(noise: Sequence[str], snr: Sequence[float], part: str, probability: float = 1.0, seed: int = 0) -> Mixer:
    """A mixer from options: noise specifications (see :func:`audio_lottery.noise.sources.source`), SNR or range."""
    if len(snr) not in (1, 2) or not all(np.isfinite(snr)):
        raise LotteryError(f"SNR {' '.join(map(str, snr))}: give one SNR in dB, or the lowest and the highest")
    if snr[0] > snr[-1]:
        raise LotteryError(f"SNR {snr[0]:g} {snr[1]:g}: the range is turned round: write {snr[1]:g} {snr[0]:g}")
    if not 0 < probability <= 1:
        raise LotteryError(f"probability of noise {probability:g}: give a number above 0, at most 1")
    return Mixer([source(spec, part) for spec in noise], (snr[0], snr[-1]), probability, seed)
