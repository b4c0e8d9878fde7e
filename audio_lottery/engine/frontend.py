"""From samples to normalised features, as ESPnet's DefaultFrontend and normalisers compute them."""

import numpy as np

from audio_lottery.engine.config import integer, section, switch
from audio_lottery.engine.weights import Weights
from audio_lottery.errors import LotteryError


class LogMel:
    """Power spectrum through mel filters, natural logarithm: samples in [-1, 1] -> [frames, mels].

    ``conf`` is ESPnet's ``frontend_conf``; the filters come from the ticket.
    """

    def __init__(self, conf: dict, weights: Weights):
        self.rate = _rate(conf.get("fs", 16000))
        self.n_fft = integer(conf, "n_fft", 512, 16)
        self.hop = integer(conf, "hop_length", 128)
        self.center = switch(conf, "center", True)
        if conf.get("window", "hann") != "hann" or conf.get("normalized", False):
            raise LotteryError(
                "frontend_conf: only an unnormalised Hann window can be run: export the model as ONNX with "
                "audio-lottery export_onnx"
            )
        length = integer(conf, "win_length", self.n_fft) if conf.get("win_length") else self.n_fft
        left = (self.n_fft - length) // 2
        self.window = np.pad(hann(length), (left, self.n_fft - length - left))
        self.filters = weights.array("frontend.logmel.melmat")  # [n_fft / 2 + 1, mels]
        if self.filters.ndim != 2 or len(self.filters) != self.n_fft // 2 + 1 or length > self.n_fft:
            raise LotteryError("frontend_conf: does not fit the mel filters: the ticket is damaged")

    @property
    def size(self) -> int:
        """Number of mel bands."""
        return self.filters.shape[1]

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        half = self.n_fft // 2
        if len(samples) <= half:
            raise LotteryError(f"{len(samples)} samples: too short to recognise: leave the file out")
        return self.inner(np.pad(samples, half, mode="reflect") if self.center else samples)

    def inner(self, samples: np.ndarray) -> np.ndarray:
        """The frames that lie wholly within the samples."""
        if len(samples) < self.n_fft:
            return np.zeros((0, self.size), np.float32)
        frames = np.lib.stride_tricks.sliding_window_view(samples.astype(np.float32), self.n_fft)[:: self.hop]
        spectrum = np.fft.rfft(frames * self.window)
        power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
        return np.log(np.maximum(power @ self.filters, np.float32(1e-10)))


def hann(length: int) -> np.ndarray:
    """The window as torch rounds it: angles and sums in float32. An exact one would change the features of quiet bands
    beside loud ones by 1e-4."""
    angles = np.arange(length, dtype=np.float32) * np.float32(2 * np.pi / length)
    return np.float32(0.5) - np.float32(0.5) * np.cos(angles.astype(np.float64)).astype(np.float32)


class LogMelStream:
    """The same features, piece by piece as the samples come."""

    def __init__(self, logmel: LogMel):
        self._logmel = logmel
        self._margin = logmel.n_fft // 2 if logmel.center else 0  # samples mirrored at either end
        self._began = self._margin == 0
        self._samples = np.zeros(0, np.float32)  # from the next frame's first one on
        self._tail = self._samples  # the last margin + 1

    def accept(self, samples: np.ndarray, last: bool = False) -> np.ndarray:
        """Features [frames, mels] that the samples so far decide; ``last``: no more will come."""
        conf, margin = self._logmel, self._margin
        self._samples = np.concatenate([self._samples, np.asarray(samples, np.float32)])
        self._tail = np.concatenate([self._tail, samples])[-margin - 1 :]
        if not self._began and len(self._samples) > margin:
            self._began = True
            self._samples = np.concatenate([self._samples[margin:0:-1], self._samples])
        if not self._began:
            if last:
                raise LotteryError(f"{len(self._samples)} samples: too short to recognise: leave the file out")
            return conf.inner(self._samples[:0])
        if last and margin:
            self._samples = np.concatenate([self._samples, self._tail[-2::-1]])
        features = conf.inner(self._samples)
        self._samples = self._samples[len(features) * conf.hop :]
        return features


def _rate(value: int | str) -> int:
    """16000, "16000" or "16k"."""
    text = str(value).lower()
    try:
        rate = int(float(text[:-1]) * 1000) if text.endswith("k") else int(text)
    except (ValueError, OverflowError):
        rate = 0
    if not 1000 <= rate <= 1_000_000:
        raise LotteryError(f"fs: {text[:40]}: not a sampling rate: the ticket is damaged")
    return rate


def normaliser(config: dict, weights: Weights):
    """ESPnet's ``normalize`` as a function of [frames, features]."""
    kind, conf = config.get("normalize"), section(config, "normalize_conf")
    means, variances = switch(conf, "norm_means", True), switch(conf, "norm_vars", kind == "global_mvn")
    if kind is None:
        return lambda x: x
    if kind == "global_mvn":
        mean, std = weights.array("normalize.mean"), weights.array("normalize.std")
        return lambda x: (x - mean * means) / (std if variances else np.float32(1))
    if kind == "utterance_mvn":
        eps = conf.get("eps", 1e-20)
        if type(eps) not in (int, float):
            raise LotteryError(f"normalize_conf: eps {str(eps)[:40]}: not a number: the ticket is damaged")
        floor = np.float32(eps)

        def by_utterance(x: np.ndarray) -> np.ndarray:
            # In float32 numpy adds frame by frame, which is less exact than ESPnet's sum.
            centred = x - x.mean(0, dtype=np.float64).astype(np.float32)
            deviation = np.sqrt((centred**2).mean(0, dtype=np.float64)).astype(np.float32)
            std = np.maximum(deviation, floor) if variances else np.float32(1)
            return (centred if means else x) / std

        return by_utterance
    raise LotteryError(f"normalize: {kind}: the engine cannot run it: export it as ONNX with audio-lottery export_onnx")
