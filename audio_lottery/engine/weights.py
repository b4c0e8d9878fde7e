"""The tensors of a ticket as packed matrices, by their names in the state dict."""

import numpy as np

from audio_lottery.engine import backend
from audio_lottery.errors import LotteryError
from audio_lottery.export.ticket_file import TicketFile


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
                "version of ESPnet; export it as ONNX instead"
            )
        if tensor.dtype not in ("float32", "float16", "float64"):
            raise LotteryError(f"{name}: {tensor.dtype}, the engine runs float32: export it as ONNX instead")
        self.used.add(name)
        return np.asarray(tensor.data, np.float32)

    def recurrent(self, prefix: str, suffix: str, gru: bool, arrange=None):
        """Input and state matrix of one direction of a torch LSTM or GRU layer, e.g. suffix ``l0_reverse``."""
        names = [f"{prefix}.weight_{kind}_{suffix}" for kind in ("ih", "hh")]
        given_bias, state_bias = (self.array(f"{prefix}.bias_{kind}_{suffix}") for kind in ("ih", "hh"))
        if not gru:  # the LSTM's biases only ever appear as a sum
            given_bias, state_bias = given_bias + state_bias, np.zeros_like(state_bias)
        given = self._pack(names[0], arrange, given_bias)
        state = backend.matrix(self.array(names[1]), state_bias, "vector")
        self.forms[names[1]] = state.kind
        return given, state

    def matrix(self, prefix: str, arrange=None, scale: float = 1.0):
        """``prefix``.weight and, where there is one, ``prefix``.bias, both times ``scale``; packed.

        arrange: turns the tensor (its int8 codes too) into [rows, columns]; None: all but the first dimension
        are columns.
        """
        bias = self.array(f"{prefix}.bias") * np.float32(scale) if f"{prefix}.bias" in self else None
        return self._pack(f"{prefix}.weight", arrange, bias, scale)

    def _pack(self, name: str, arrange, bias: np.ndarray | None, scale: float = 1.0):
        arrange = arrange or (lambda w: w.reshape(w.shape[0], -1))
        weights = arrange(self.array(name)) * np.float32(scale)
        codes = self._ticket.codes.get(name)
        if not self._int8 or weights.shape[1] < 16:  # a few inputs cannot pay for rounding the activations
            matrix = backend.matrix(weights, bias, self._kind)
        elif codes is not None:
            matrix = backend.matrix(weights, bias, codes=(arrange(codes[0]), codes[1] * np.float32(scale)))
        else:
            matrix = backend.matrix(weights, bias, "int8")
        self.forms[name] = matrix.kind
        return matrix
