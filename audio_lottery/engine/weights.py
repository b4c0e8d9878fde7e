"""The tensors of a ticket as packed matrices, by their names in the state dict."""

from collections.abc import Sequence

import numpy as np

from audio_lottery.engine import backend
from audio_lottery.errors import LotteryError
from audio_lottery.export.ticket_file import TicketFile

BATCH_NORM_EPS = 1e-5  # torch's default


def taps(w: np.ndarray) -> np.ndarray:
    """The filters of a Conv2d over time and frequency, as :meth:`program.Program.conv` wants them.

    torch: [out, in, time, freq]; here [out, freq x in x time]
    """
    return w.transpose(0, 3, 1, 2).reshape(len(w), -1)


def by_frequency(channels: int):
    """For a matrix behind such convolutions: torch counts inputs [channel][freq], the engine [freq][channel]."""
    return lambda w: w.reshape(len(w), channels, -1).transpose(0, 2, 1).reshape(len(w), -1)


def state_matrices(weights: np.ndarray, bias: np.ndarray, units: Sequence[slice]) -> list:
    """State weights [gates * size, size] of a recurrent layer, packed for each of these parts of its units."""
    size = weights.shape[1]
    weights, bias = weights.reshape(-1, size, size), bias.reshape(-1, size)
    return [backend.matrix(weights[:, part].reshape(-1, size), bias[:, part].reshape(-1), "vector") for part in units]


class Weights:
    """Finds tensors by name, counts which ones a network used.

    int8: compute with the ticket's 8-bit codes where it has them, else round its weights to 8 bits
    kind: how fp32 matrices are packed: ``auto``, ``dense``, ``sparse`` ... (see native.Matrix)
    """

    def __init__(self, ticket: TicketFile, int8: bool = False, kind: str = "auto"):
        self._ticket = ticket
        self._int8 = int8
        self._kind = kind
        self.forms: dict[str, str] = {}  # tensor name -> how it was packed
        self.used: set[str] = set()

    def __contains__(self, name: str) -> bool:
        return name in self._ticket.tensors

    def array(self, name: str) -> np.ndarray:
        """A float32 tensor."""
        tensor = self._ticket.tensors.get(name)
        if tensor is None:
            raise LotteryError(
                f"{name}: not in this ticket though its configuration needs it: it was trained with another "
                "version of ESPnet; export it as ONNX with audio-lottery export_onnx"
            )
        if tensor.dtype not in ("float32", "float16", "float64"):
            raise LotteryError(f"{name}: {tensor.dtype}, not float32: export it as ONNX with audio-lottery export_onnx")
        self.used.add(name)
        return np.asarray(tensor.data, np.float32)

    def recurrent(self, prefix: str, suffix: str, gru: bool, units: Sequence[slice], arrange=None):
        """Input and state matrices of one direction of a torch LSTM or GRU layer, e.g. suffix ``l0_reverse``.

        units: the parts of the layer that get a state matrix each (:meth:`program.Program.units`)
        """
        given, state, given_bias, state_bias = self._cell(prefix, suffix, gru)
        parts = state_matrices(self.array(state), state_bias, units)
        self.forms[state] = " and ".join(sorted({part.kind for part in parts}))
        return self._pack(given, arrange, given_bias), parts

    def single(self, prefix: str, suffix: str, gru: bool):
        """The same of a layer whose input comes one frame at a time, too: its input and its one state matrix."""
        given, state, given_bias, state_bias = self._cell(prefix, suffix, gru)
        return self._vector(given, given_bias), self._vector(state, state_bias)

    def _cell(self, prefix: str, suffix: str, gru: bool) -> tuple[str, str, np.ndarray, np.ndarray]:
        """Names of the input and the state weights, and their biases."""
        given, state = (f"{prefix}.weight_{kind}_{suffix}" for kind in ("ih", "hh"))
        given_bias, state_bias = (self.array(f"{prefix}.bias_{kind}_{suffix}") for kind in ("ih", "hh"))
        if not gru:  # the LSTM's biases only ever appear as a sum
            given_bias, state_bias = given_bias + state_bias, np.zeros_like(state_bias)
        return given, state, given_bias, state_bias

    def vector(self, prefix: str):
        """``prefix``.weight and .bias, packed for one frame at a time."""
        bias = self.array(f"{prefix}.bias") if f"{prefix}.bias" in self else None
        return self._vector(f"{prefix}.weight", bias)

    def _vector(self, name: str, bias: np.ndarray | None):
        matrix = backend.matrix(self.array(name), bias, "vector")
        self.forms[name] = matrix.kind
        return matrix

    def matrix(self, prefix: str, arrange=None, scale: float | np.ndarray = 1.0, shift: np.ndarray | None = None):
        """``prefix``.weight and, where there is one, ``prefix``.bias, both times ``scale``, plus ``shift``; packed.

        scale, shift: one number a row, as batch norm has them
        arrange: turns the tensor (its int8 codes too) into [rows, columns]; None: all but the first dimension
        are columns.
        """
        scale = np.asarray(scale, np.float32)
        bias = self.array(f"{prefix}.bias") * scale if f"{prefix}.bias" in self else None
        if shift is not None:
            bias = shift if bias is None else bias + shift
        return self._pack(f"{prefix}.weight", arrange, bias, scale)

    def batch_norm(self, prefix: str, eps: float = BATCH_NORM_EPS) -> tuple[np.ndarray, np.ndarray]:
        """What a batch norm does after training: times the first, plus the second [channels]."""
        names = ("weight", "bias", "running_mean", "running_var")
        weight, bias, mean, variance = (self.array(f"{prefix}.{name}").astype(np.float64) for name in names)
        scale = weight / np.sqrt(variance + eps)
        return scale, bias - mean * scale

    def _pack(self, name: str, arrange, bias: np.ndarray | None, scale: np.ndarray | None = None):
        arrange = arrange or (lambda w: w.reshape(w.shape[0], -1))
        scale = np.float32(1) if scale is None else scale
        weights = arrange(self.array(name)) * scale.reshape(-1, 1)
        codes = self._ticket.codes.get(name)
        if not self._int8 or weights.shape[1] < 16:  # a few inputs cannot pay for rounding the activations
            matrix = backend.matrix(weights, bias, self._kind)
        elif codes is not None:
            matrix = backend.matrix(weights, bias, codes=(arrange(codes[0]), codes[1] * scale))
        else:
            matrix = backend.matrix(weights, bias, "int8")
        self.forms[name] = matrix.kind
        return matrix
