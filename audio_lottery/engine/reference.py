"""The engine's operations in numpy: what runs where nothing could be compiled, and what they mean."""

from collections.abc import Callable

import numpy as np

ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "relu": lambda x: np.maximum(x, 0),
    "swish": lambda x: x * _sigmoid(x),
    "tanh": np.tanh,
    "sigmoid": lambda x: _sigmoid(x),
    "gelu": lambda x: _gelu(x),
    "relu20": lambda x: np.clip(x, 0, 20),
}


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -87, 87)))


def _gelu(x: np.ndarray) -> np.ndarray:
    """x * P(a normal variable < x): Abramowitz and Stegun, formula 7.1.26."""
    t = 1 / (1 + 0.3275911 * np.abs(x) * 0.5**0.5)
    series = np.polyval([1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592, 0], t)
    tail = 0.5 * series * np.exp(-np.square(x.astype(np.float64)) / 2)
    return x * np.where(x > 0, 1 - tail, tail)


def sinusoids(positions: np.ndarray, channels: int) -> np.ndarray:
    """[channels, positions] of "Attention is all you need", sines and cosines interleaved."""
    rates = np.exp(np.arange(0, channels, 2, dtype=np.float32) * np.float32(-np.log(10000.0) / channels))
    angles = rates[:, None] * positions.astype(np.float32)
    return np.stack([np.sin(angles), np.cos(angles)], 1).reshape(-1, len(positions))[:channels]


class Matrix:
    """Dense weights and bias; ``kind`` is accepted and ignored, int8 codes are multiplied out."""

    def __init__(self, weights: np.ndarray, bias: np.ndarray | None = None, kind: str = "auto", codes=None):
        if codes is not None:
            weights = codes[0] * codes[1][:, None]
        self.weights = np.asarray(weights, np.float32)
        self.rows, self.cols = self.weights.shape
        if not self.weights.size or (bias is not None and np.size(bias) != self.rows):
            raise ValueError("a matrix without weights, or with another number of biases")
        self.bias = np.zeros(self.rows, np.float32) if bias is None else np.ravel(bias).astype(np.float32)
        self.kind = "numpy"

    def vector(self, x: np.ndarray) -> np.ndarray:
        """One frame: [cols] -> [rows]."""
        return self.weights @ x + self.bias

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """[cols, frames] -> [rows, frames]."""
        return self.weights @ x + self.bias[:, None]


def lstm_step(given: np.ndarray, back: np.ndarray, hidden: np.ndarray, cell: np.ndarray):
    """Next output and cell of an LSTM; ``given``, ``back``: its gates from the input and from the last output."""
    i, f, g, o = np.split(given + back, 4)
    cell = _sigmoid(f) * cell + _sigmoid(i) * np.tanh(g)
    return _sigmoid(o) * np.tanh(cell), cell


def gru_step(given: np.ndarray, back: np.ndarray, hidden: np.ndarray, cell: np.ndarray):
    """The same of a GRU, whose cell is not used."""
    (r, z, n), (rb, zb, nb) = np.split(given, 3), np.split(back, 3)
    fresh = np.tanh(n + _sigmoid(r + rb) * nb)
    return fresh + _sigmoid(z + zb) * (hidden - fresh), cell


class Program:
    """The same operations as :class:`audio_lottery.engine.program.Program`."""

    def __init__(self, threads: int = 1, left: int | None = None):
        self._ops: list[Callable[[], None]] = []
        self._data: list[np.ndarray] = []  # of each buffer, for the utterance that is worked on
        self._done: list[list[np.ndarray]] = []  # the same of each utterance of the last run
        self._channels: list[int] = []
        self._views: dict[int, tuple[int, int]] = {}  # buffer -> (the buffer it is a part of, first channel)
        self._left = left
        self._past: dict[int, tuple[np.ndarray, ...]] = {}  # operation -> what it keeps from run to run

    def buffer(self, channels: int) -> int:
        self._data.append(np.zeros((channels, 0), np.float32))
        self._channels.append(channels)
        return len(self._data) - 1

    def channels(self, buffer: int) -> int:
        return self._channels[buffer]

    def view(self, buffer: int, first: int, channels: int) -> int:
        if first < 0 or channels < 1 or first + channels > self._channels[buffer] or buffer in self._views:
            raise ValueError("the operation does not fit its buffers")
        view = self.buffer(channels)
        self._views[view] = (buffer, first)
        return view

    def _put(self, dst: int, x: np.ndarray) -> None:
        if dst not in self._views:
            self._data[dst] = np.asarray(x, np.float32)
            return
        parent, first = self._views[dst]
        if self._data[parent].shape[1] != x.shape[1]:
            self._data[parent] = np.zeros((self._channels[parent], x.shape[1]), np.float32)
        self._data[parent][first : first + len(x)] = x

    def _map(self, dst: int, function: Callable[..., np.ndarray], *sources: int) -> None:
        self._ops.append(lambda: self._put(dst, function(*(self.read(src) for src in sources))))

    def linear(self, src: int, dst: int, matrix: Matrix) -> None:
        self._map(dst, matrix, src)

    def layer_norm(self, src: int, dst: int, gain: np.ndarray, bias: np.ndarray, eps: float) -> None:
        def norm(x: np.ndarray) -> np.ndarray:
            centred = x - x.mean(0)
            return centred / np.sqrt((centred**2).mean(0) + eps) * gain[:, None] + bias[:, None]

        self._map(dst, norm, src)

    def activate(self, buffer: int, kind: str) -> None:
        self._map(buffer, ACTIVATIONS[kind], buffer)

    def glu(self, src: int, dst: int) -> None:
        self._map(dst, lambda x: x[: len(x) // 2] * _sigmoid(x[len(x) // 2 :]), src)

    def add(self, src: int, dst: int, scale: float = 1.0) -> None:
        self._map(dst, lambda x, y: y + np.float32(scale) * x, src, dst)

    def multiply(self, src: int, dst: int) -> None:
        self._map(dst, np.multiply, src, dst)

    def affine(self, src: int, dst: int, scale: np.ndarray, shift: np.ndarray) -> None:
        self._map(dst, lambda x: x * scale[:, None] + shift[:, None], src)

    def positions(self, buffer: int) -> None:
        self._map(buffer, lambda x: x + sinusoids(np.arange(x.shape[1]), len(x)), buffer)

    def depthwise(self, src: int, dst: int, weight: np.ndarray, bias: np.ndarray, causal: bool = False) -> None:
        taps, me = weight.shape[1], len(self._ops)
        before = taps - 1 if causal else taps // 2

        def filtered(x: np.ndarray) -> np.ndarray:
            x = np.pad(x, ((0, 0), (before, taps - 1 - before)))
            if causal and self._left is not None:
                x[:, :before] = self._past.get(me, (0,))[0]
                self._past[me] = (x[:, len(x[0]) - before :],)
            windows = np.lib.stride_tricks.sliding_window_view(x, taps, 1)
            return np.einsum("cfk,ck->cf", windows, weight) + bias[:, None]

        self._map(dst, filtered, src)

    def attention(self, q: int, k: int, v: int, dst: int, heads: int, relative=None) -> None:
        me = len(self._ops)

        def attend(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
            size, fresh = q.shape
            if self._left is not None:
                k, v = (np.hstack(pair) for pair in zip(self._past.get(me, (k[:, :0], v[:, :0])), (k, v), strict=True))
                n = k.shape[1]
                self._past[me] = (k[:, max(0, n - self._left) :], v[:, max(0, n - self._left) :])
                q = np.pad(q, ((0, 0), (n - fresh, 0)))
            n = q.shape[1]
            q, k, v = (x.reshape(heads, size // heads, n) for x in (q, k, v))
            if relative is None:
                scores = np.einsum("hdq,hdk->hqk", q, k)
            else:
                matrix, u, w = relative
                u, w = (np.reshape(bias, (heads, -1, 1)) for bias in (u, w))
                table = matrix(sinusoids(np.arange(n - 1, -n, -1), size)).reshape(heads, size // heads, -1)
                by_distance = np.einsum("hdq,hdp->hqp", q + w, table)
                column = n - 1 - np.arange(n)[:, None] + np.arange(n)  # of distance query - key
                scores = np.einsum("hdq,hdk->hqk", q + u, k)
                scores = scores + np.take_along_axis(by_distance, np.broadcast_to(column, scores.shape), 2)
            scores = scores / np.sqrt(np.float32(size // heads))
            weights = np.exp(scores - scores.max(2, keepdims=True))
            weights /= weights.sum(2, keepdims=True)
            return np.einsum("hdk,hqk->hdq", v, weights).reshape(size, n)[:, n - fresh :]

        self._map(dst, attend, q, k, v)

    def conv(self, src, matrix, channels, kernel, stride, pad=(0, 0), activation=None) -> int:
        freqs = self._channels[src] // channels
        out = self.buffer(((freqs + 2 * pad[0] - kernel[0]) // stride[0] + 1) * matrix.rows)

        def convolve(x: np.ndarray) -> np.ndarray:
            x = np.pad(x.reshape(freqs, channels, -1), ((pad[0],) * 2, (0, 0), (pad[1],) * 2))
            windows = np.lib.stride_tricks.sliding_window_view(x, kernel, (0, 2))[:: stride[0], :, :: stride[1]]
            inputs = windows.transpose(0, 3, 1, 4, 2)  # [freq, kernel freq, channel, kernel time, time]
            y = np.stack([matrix(one.reshape(matrix.cols, -1)) for one in inputs]).reshape(-1, inputs.shape[-1])
            return ACTIVATIONS[activation](y) if activation else y

        self._map(out, convolve, src)
        return out

    def units(self, size: int, directions: int) -> list[slice]:
        return [slice(0, size)]

    def recurrent(self, src: int, dst: int, size: int, cells: list, gru: bool = False) -> None:
        step, me = gru_step if gru else lstm_step, len(self._ops)

        def layer(x: np.ndarray) -> np.ndarray:
            out = np.zeros((len(cells), x.shape[1], size), np.float32)
            for direction, (given, (state,)) in enumerate(cells):
                gates, hidden, cell = given(x).T, np.zeros(size, np.float32), np.zeros(size, np.float32)
                if self._left is not None and direction == 0:
                    hidden, cell = self._past.get(me, (hidden, cell))
                for t in range(x.shape[1]) if direction == 0 else range(x.shape[1] - 1, -1, -1):
                    hidden, cell = step(gates[t], state.vector(hidden), hidden, cell)
                    out[direction, t] = hidden
                if direction == 0:
                    self._past[me] = (hidden, cell)
            return out.transpose(0, 2, 1).reshape(-1, x.shape[1])

        self._map(dst, layer, src)

    def max_pool(self, src: int, channels: int) -> int:
        freqs = self._channels[src] // channels
        out = self.buffer((freqs + 1) // 2 * channels)

        def pool(x: np.ndarray) -> np.ndarray:
            x = x.reshape(freqs, channels, -1)
            x = np.pad(x, ((0, freqs % 2), (0, 0), (0, x.shape[2] % 2)), constant_values=-np.inf)
            x = np.maximum(x[::2], x[1::2])
            return np.maximum(x[..., ::2], x[..., 1::2]).reshape(self._channels[out], -1)

        self._map(out, pool, src)
        return out

    def subsample(self, src: int, dst: int, step: int) -> None:
        self._map(dst, lambda x: x[:, ::step][:, : (x.shape[1] + 1) // step], src)

    def reset(self) -> None:
        self._past.clear()

    def run(self, source: int, *utterances: np.ndarray) -> None:
        self._done = []
        for x in utterances:
            self._data = [np.zeros((channels, 0), np.float32) for channels in self._channels]
            self._done.append(self._data)
            self._data[source] = np.asarray(x, np.float32)
            for op in self._ops:
                op()

    def read(self, buffer: int, utterance: int | None = None) -> np.ndarray:
        data = self._data if utterance is None else self._done[utterance]
        if buffer not in self._views:
            return data[buffer]
        parent, first = self._views[buffer]
        return data[parent][first : first + self._channels[buffer]]
