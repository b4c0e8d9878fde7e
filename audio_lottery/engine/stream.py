"""Recognition while the audio comes: only what the network needs from before is kept.

The convolutions in front are run again over the few frames that still matter; recurrent layers go on from their
states, causal convolutions and attention with what they saw last (see ``program.Program``, ``left``).
"""

from collections.abc import Sequence

import numpy as np

from audio_lottery.engine.ctc import Token
from audio_lottery.engine.frontend import LogMelStream
from audio_lottery.errors import LotteryError

CHUNK = 16  # encoder frames worked on together


def window(layers: Sequence[tuple[int, int, int]]) -> tuple[int, int, int]:
    """What an output frame j of (kernel, stride, padding) layers sees: frames j * step + first ... j * step + last.

    Returns (step, first, last).
    """
    step, first, last = 1, 0, 0
    for kernel, stride, padding in reversed(layers):
        step, first, last = step * stride, first * stride - padding, last * stride - padding + kernel - 1
    return step, first, last


class Front:
    """The convolutions over a growing utterance: every output frame once, as soon as all it sees is there."""

    def __init__(self, run, layers: Sequence[tuple[int, int, int]], shortest: int):
        self._run, self._shortest = run, shortest  # run: [frames, features] -> [channels, frames out]
        self._step, self._before, self._after = window(layers)
        self._features: np.ndarray | None = None  # from frame self._first on
        self._first = self._done = 0

    def accept(self, features: np.ndarray, last: bool) -> np.ndarray | None:
        """New output frames [channels, frames], if any."""
        kept = features if self._features is None else np.concatenate([self._features, features])
        end = self._first + len(kept)
        first = max(0, (self._done * self._step + self._before) // self._step * self._step)
        self._features, self._first = kept[first - self._first :], first
        ready = max(0, (end - 1 - self._after) // self._step + 1)
        if len(self._features) < self._shortest or (ready <= self._done and not last):
            return None
        out = self._run(self._features)[:, self._done - first // self._step :]
        out = out if last else out[:, : ready - self._done]
        self._done += out.shape[1]
        return out


class Stream:
    """One utterance that is still being spoken. A recogniser serves one stream at a time.

    recogniser: built with ``left``; decoder: a search, see Recogniser.decoder
    """

    def __init__(self, recogniser, decoder):
        self._recogniser, self._decoder = recogniser, decoder
        self._resampler = None
        self._samples = LogMelStream(recogniser.frontend) if recogniser.frontend else None
        self._front = Front(recogniser.run_front, recogniser.layout.front, recogniser.layout.shortest)
        self._waiting: list[np.ndarray] = []
        self._any = False
        recogniser.reset()

    def accept(self, samples: np.ndarray, rate: int, last: bool = False) -> list[Token]:
        """Samples in [-1, 1], mono, any number of them; returns the tokens so far.

        last: the utterance ends here; too short a one is a :class:`LotteryError`
        """
        if self._samples is None:
            raise LotteryError("this model takes features, not audio: use accept_features")
        samples = np.asarray(samples, np.float32)
        if rate != self._recogniser.frontend.rate:
            samples = self._resample(samples, rate, last)
        return self.accept_features(self._samples.accept(samples, last), last)

    def accept_features(self, features: np.ndarray, last: bool = False) -> list[Token]:
        """The same from features [frames, size], not yet normalised."""
        if len(features) or last:
            fresh = self._front.accept(self._recogniser.normalise(features), last)
            if fresh is not None and fresh.shape[1]:
                self._waiting.append(fresh)
            self._advance(last)
        if last and not self._any:
            raise LotteryError("too little audio to recognise: leave so short a file out")
        return self._decoder.tokens()

    def _advance(self, last: bool) -> None:
        size = CHUNK * self._recogniser.layout.step
        while (held := sum(piece.shape[1] for piece in self._waiting)) >= size or (last and held):
            frames = np.concatenate(self._waiting, 1)
            outputs = self._recogniser.run_body(frames[:, :size])
            if outputs.shape[1]:
                self._any = True
                self._decoder.advance(outputs)
            self._waiting = [frames[:, size:]]

    def _resample(self, samples: np.ndarray, rate: int, last: bool) -> np.ndarray:
        import soxr

        if self._resampler is None:
            self._resampler = soxr.ResampleStream(rate, self._recogniser.frontend.rate, 1, quality="HQ")
        return self._resampler.resample_chunk(samples, last=last)
