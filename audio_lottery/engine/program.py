"""A network as a list of operations that the compiled library runs: buffers [channels, frames].

An operation reads buffer ``src`` and writes ``dst``; buffers are numbers that :meth:`Program.buffer` gives.
"""

import ctypes

import numpy as np

from audio_lottery.engine import native
from audio_lottery.errors import LotteryError

ACTIVATIONS = {"relu": 1, "swish": 2, "tanh": 3, "sigmoid": 4, "gelu": 5, "relu20": 6}

MOST_CHANNELS = 1 << 24
FEWEST_UNITS = 64  # of a recurrent layer, that pay for a thread's meeting with the others after every frame


class Program:
    """Operations run in the order they are added. One program is for one thread at a time.

    left: None, or the frames of one :meth:`run` follow those of the last one: recurrent layers go on from their
    states, causal convolutions see the frames before, and attention sees this many of them
    """

    def __init__(self, threads: int = 1, left: int | None = None):
        self._lib = native.library()
        native.isa()
        self._handle = self._lib.al_program(threads, -1 if left is None else left)
        self._channels: list[int] = []
        self._views: set[int] = set()
        self._left = left
        self._threads = max(1, threads)
        self._matrices: list[native.Matrix] = []  # the library borrows them

    def __del__(self):
        if getattr(self, "_handle", None):
            self._lib.al_program_free(self._handle)

    def buffer(self, channels: int) -> int:
        """A new buffer."""
        self._check(1 <= channels <= MOST_CHANNELS)
        self._channels.append(channels)
        return self._lib.al_buffer(self._handle, channels)

    def channels(self, buffer: int) -> int:
        """Of a buffer."""
        return self._channels[buffer]

    def view(self, buffer: int, first: int, channels: int) -> int:
        """Some channels of a buffer as a buffer of their own; not of one that is a view itself."""
        self._check(first >= 0 and 1 <= channels <= self._channels[buffer] - first and buffer not in self._views)
        self._channels.append(channels)
        self._views.add(len(self._channels) - 1)
        return self._lib.al_view(self._handle, buffer, first, channels)

    def linear(self, src: int, dst: int, matrix: native.Matrix) -> None:
        """dst = matrix @ src + bias."""
        self._check(matrix.cols == self._channels[src] and matrix.rows == self._channels[dst])
        self._matrices.append(matrix)
        self._lib.al_op_linear(self._handle, src, dst, matrix.handle)

    def layer_norm(self, src: int, dst: int, gain: np.ndarray, bias: np.ndarray, eps: float) -> None:
        """Normalise every frame over its channels; src may be dst."""
        gain, bias = self._vector(gain, dst), self._vector(bias, dst)
        self._lib.al_op_layer_norm(self._handle, src, dst, gain.ctypes.data, bias.ctypes.data, eps)

    def activate(self, buffer: int, kind: str) -> None:
        """relu, swish, tanh, sigmoid, gelu or relu20 (cut off at 20), in place."""
        self._lib.al_op_activate(self._handle, buffer, ACTIVATIONS[kind])

    def glu(self, src: int, dst: int) -> None:
        """dst = first half of src's channels * sigmoid(second half)."""
        self._check(self._channels[src] == 2 * self._channels[dst])
        self._lib.al_op_glu(self._handle, src, dst)

    def add(self, src: int, dst: int, scale: float = 1.0) -> None:
        """dst += scale * src."""
        self._check(self._channels[src] == self._channels[dst])
        self._lib.al_op_add(self._handle, src, dst, scale)

    def multiply(self, src: int, dst: int) -> None:
        """dst *= src."""
        self._check(self._channels[src] == self._channels[dst])
        self._lib.al_op_multiply(self._handle, src, dst)

    def affine(self, src: int, dst: int, scale: np.ndarray, shift: np.ndarray) -> None:
        """dst = scale * src + shift, one pair a channel; src may be dst."""
        scale, shift = self._vector(scale, dst), self._vector(shift, dst)
        self._lib.al_op_affine(self._handle, src, dst, scale.ctypes.data, shift.ctypes.data)

    def positions(self, buffer: int) -> None:
        """Add the sinusoids of absolute positions."""
        self._lib.al_op_positions(self._handle, buffer)

    def depthwise(self, src: int, dst: int, weight: np.ndarray, bias: np.ndarray, causal: bool = False) -> None:
        """Each channel over time with its own filter (weight [channels, odd number of taps]), zero padding.

        causal: a frame sees only frames before itself, taps - 1 of them
        """
        weight, bias = np.ascontiguousarray(weight, np.float32), self._vector(bias, dst)
        self._check(
            weight.shape[0] == self._channels[src] == self._channels[dst] and weight.shape[1] % 2 and src != dst
        )
        self._lib.al_op_depthwise(self._handle, src, dst, weight.ctypes.data, bias.ctypes.data, weight.shape[1], causal)

    def attention(self, q: int, k: int, v: int, dst: int, heads: int, relative=None) -> None:
        """Self-attention of projected queries, keys, values.

        relative: None, or (matrix of the positions, bias u, bias v) of Transformer-XL's relative positions,
        the biases [channels].
        """
        self._check(len({self._channels[b] for b in (q, k, v, dst)}) == 1 and self._channels[q] % heads == 0)
        if relative is None:
            self._lib.al_op_attention(self._handle, q, k, v, dst, heads, None, None, None)
            return
        matrix, u, w = relative
        u, w = self._vector(u, dst), self._vector(w, dst)
        self._check(matrix.rows == matrix.cols == self._channels[dst])
        self._matrices.append(matrix)
        self._lib.al_op_attention(self._handle, q, k, v, dst, heads, matrix.handle, u.ctypes.data, w.ctypes.data)

    def conv(
        self,
        src: int,
        matrix: native.Matrix,
        channels: int,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        pad: tuple[int, int] = (0, 0),
        activation: str | None = None,
    ) -> int:
        """Convolution over (frequency, time); returns the new buffer. Channels of both are [freq][channel].

        matrix: [channels out, kernel[0] * channels * kernel[1]], columns [freq][channel][time]
        """
        freqs = self._channels[src] // channels
        self._check(matrix.cols == kernel[0] * channels * kernel[1] and freqs + 2 * pad[0] >= kernel[0])
        out = self.buffer(((freqs + 2 * pad[0] - kernel[0]) // stride[0] + 1) * matrix.rows)
        shape = np.array([channels, freqs, *kernel, *stride, *pad], np.int32)
        self._matrices.append(matrix)
        self._lib.al_op_conv(self._handle, src, out, matrix.handle, shape.ctypes.data, ACTIVATIONS.get(activation, 0))
        return out

    def recurrent(self, src: int, dst: int, size: int, cells: list, gru: bool = False) -> None:
        """An LSTM or GRU layer, gates in torch's order.

        cells: for each of one or two directions (forward, backward) its input matrix and its state matrices, one for
        each part that :meth:`units` makes of a direction, packed as ``vector``; dst has ``size`` channels for each
        """
        gates, units, handles = 3 if gru else 4, self.units(size, len(cells)), []
        for given, states in cells:
            self._check(given.rows == gates * size and given.cols == self._channels[src])
            self._check([state.rows for state in states] == [gates * (part.stop - part.start) for part in units])
            self._check(all(state.cols == size and state.kind.startswith("vector") for state in states))
            self._check(not given.kind.startswith("vector"))
            self._matrices += [given, *states]
            handles += [matrix.handle for matrix in (given, *states)]
        self._check(self._channels[dst] == size * len(cells) and src != dst and (self._left is None or len(cells) == 1))
        array = (ctypes.c_void_p * len(handles))(*handles)
        self._lib.al_op_recurrent(self._handle, src, dst, gru, size, array, len(cells), len(units))

    def units(self, size: int, directions: int) -> list[slice]:
        """How :meth:`recurrent` wants the units of a direction cut, so that every thread has a part."""
        blocks = -(-size // 16)  # a cache line of floats
        parts = max(1, min(self._threads // directions, size // FEWEST_UNITS))
        step = -(-blocks // parts) * 16
        return [slice(first, min(first + step, size)) for first in range(0, size, step)]

    def max_pool(self, src: int, channels: int) -> int:
        """2 x 2 maxima over frequency and time of rows [freq][channel], ends included; returns the new buffer."""
        freqs = self._channels[src] // channels
        out = self.buffer((freqs + 1) // 2 * channels)
        self._lib.al_op_max_pool(self._handle, src, out, channels, freqs)
        return out

    def subsample(self, src: int, dst: int, step: int) -> None:
        """Every ``step``-th frame, from the first."""
        self._check(self._channels[src] == self._channels[dst] and src != dst)
        self._lib.al_op_subsample(self._handle, src, dst, step)

    def reset(self) -> None:
        """Forget what came before: the next :meth:`run` begins an utterance. Only matters with ``left``."""
        self._lib.al_reset(self._handle)

    def run(self, source: int, *utterances: np.ndarray) -> None:
        """Fill buffer ``source`` with utterances [channels, frames] and run everything.

        Each gives what it gives alone; together they read the weights fewer times. With ``left`` there is but one.
        """
        for x in utterances:
            self._check(x.ndim == 2 and x.shape[0] == self._channels[source] and x.shape[1] > 0)
        self._check(len(utterances) == 1 or (len(utterances) > 1 and self._left is None))
        x = np.ascontiguousarray(np.concatenate(utterances, 1), np.float32)
        frames = np.array([one.shape[1] for one in utterances], np.int32)
        if self._lib.al_run(self._handle, source, x.ctypes.data, frames.ctypes.data, len(frames)):
            raise LotteryError(f"{x.shape[1]} frames: not enough memory: cut the audio into shorter pieces")

    def read(self, buffer: int, utterance: int = 0) -> np.ndarray:
        """What a buffer holds of an utterance after :meth:`run`: [channels, frames]."""
        out = np.empty((self._channels[buffer], self._lib.al_frames(self._handle, buffer, utterance)), np.float32)
        self._lib.al_read(self._handle, buffer, utterance, out.ctypes.data)
        return out

    def _vector(self, x: np.ndarray, buffer: int) -> np.ndarray:
        x = np.ascontiguousarray(x, np.float32).reshape(-1)
        self._check(x.size == self._channels[buffer])
        return x

    @staticmethod
    def _check(fits: bool) -> None:
        if not fits:
            raise ValueError("the operation does not fit its buffers")
