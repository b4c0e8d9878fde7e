"""The compiled library through ctypes: packed matrices and single kernels."""

import ctypes
import functools
from pathlib import Path

import numpy as np

from audio_lottery.engine import LIBRARY
from audio_lottery.errors import LotteryError

KINDS = {"auto": 0, "dense": 1, "sparse": 2, "int8": 3, "4x1": 4, "8x1": 4, "16x1": 4}
# For one frame at a time; vector: the cheapest one.
KINDS |= {"vector sparse": 5, "vector block": 6, "vector": 7, "vector tiled": 8}
FORMS = {1: "dense", 2: "sparse", 3: "int8", 5: "vector sparse", 6: "vector block", 8: "vector tiled"}
P, I32, I64, F32 = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_float
SIGNATURES = {
    "al_isa": (ctypes.c_char_p, []),
    "al_vector": (I32, []),
    "al_matrix": (P, [P, I32, I32, P, I32, I32]),
    "al_matrix_int8": (P, [P, P, I32, I32, P]),
    "al_matrix_free": (None, [P]),
    "al_matrix_kind": (I32, [P]),
    "al_matrix_height": (I32, [P]),
    "al_matrix_work": (I64, [P]),
    "al_matvec": (None, [P, P, P]),
    "al_linear": (I32, [P, P, P, I64, I32, P]),
    "al_pool": (P, [I32]),
    "al_pool_free": (None, [P]),
    "al_program": (P, [I32, I32]),
    "al_program_free": (None, [P]),
    "al_buffer": (I32, [P, I32]),
    "al_view": (I32, [P, I32, I32, I32]),
    "al_op_linear": (None, [P, I32, I32, P]),
    "al_op_layer_norm": (None, [P, I32, I32, P, P, F32]),
    "al_op_activate": (None, [P, I32, I32]),
    "al_op_glu": (None, [P, I32, I32]),
    "al_op_add": (None, [P, I32, I32, F32]),
    "al_op_multiply": (None, [P, I32, I32]),
    "al_op_affine": (None, [P, I32, I32, P, P]),
    "al_op_positions": (None, [P, I32]),
    "al_op_depthwise": (None, [P, I32, I32, P, P, I32, I32]),
    "al_op_attention": (None, [P, I32, I32, I32, I32, I32, P, P, P]),
    "al_op_conv": (None, [P, I32, I32, P, P, I32]),
    "al_op_recurrent": (None, [P, I32, I32, I32, I32, P, I32, I32]),
    "al_op_max_pool": (None, [P, I32, I32, I32, I32]),
    "al_op_subsample": (None, [P, I32, I32, I32]),
    "al_reset": (None, [P]),
    "al_run": (I32, [P, I32, P, P, I32]),
    "al_frames": (I32, [P, I32, I32]),
    "al_read": (None, [P, I32, I32, P]),
}


@functools.cache
def library() -> ctypes.CDLL:
    """The engine's library; a :class:`LotteryError` where it was not built or cannot run here."""
    path = Path(__file__).resolve().parent / LIBRARY
    try:
        lib = ctypes.CDLL(str(path))
    except OSError as error:
        raise LotteryError(
            f"{path.name}: {'not built' if not path.exists() else error}: install a C++ compiler and run "
            "python3 -m audio_lottery.engine.build"
        ) from None
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def isa() -> str:
    """The instruction set in use: plain, avx2, avx512 or vnni; AUDIO_LOTTERY_ISA chooses."""
    name = library().al_isa().decode()
    if not name:
        raise LotteryError(
            "AUDIO_LOTTERY_ISA: unknown, or not on this processor: use numpy, plain, avx2, avx512 or vnni"
        )
    return name


def pad(frames: int) -> int:
    """Floats from one channel to the next: whole cache lines, an odd number of them.

    A power of two would put the same frame of all channels into the same few lines of the cache.
    """
    lines = (frames + 15) // 16
    return 16 * (lines | 1)


def aligned(shape: tuple[int, ...]) -> np.ndarray:
    """Zeros (float32) that begin at a whole cache line."""
    size = int(np.prod(shape))
    raw = np.zeros(size + 16, np.float32)
    skip = -raw.ctypes.data % 64 // 4
    return raw[skip : skip + size].reshape(shape)


def channels_first(x: np.ndarray) -> np.ndarray:
    """[channels, frames] -> the same, padded and aligned as kernels want it: [channels, pad(frames)]."""
    out = aligned((x.shape[0], pad(x.shape[1])))
    out[:, : x.shape[1]] = x
    return out


class Matrix:
    """Weights [rows, cols], packed for one kernel.

    kind: ``auto`` (the cheapest), ``dense``, ``sparse``, ``4x1``, ``8x1``, ``16x1`` or ``int8``; for one frame at a
    time ``vector`` (the cheapest one), ``vector sparse``, ``vector tiled`` or ``vector block``
    codes: instead of rounding ``weights`` for int8, these (int8 [rows, cols], float32 scale [rows])
    """

    def __init__(self, weights: np.ndarray, bias: np.ndarray | None = None, kind: str = "auto", codes=None):
        self.rows, self.cols = weights.shape
        if not weights.size:
            raise ValueError("a matrix without weights")
        if bias is not None and np.size(bias) != self.rows:
            raise ValueError(f"{np.size(bias)} biases for {self.rows} rows")
        self._lib = library()
        isa()
        bias = None if bias is None else np.ascontiguousarray(bias, np.float32)
        bias_at = None if bias is None else bias.ctypes.data
        if self.cols > 65536 and kind not in ("dense", "sparse"):
            kind = "auto"  # the other forms count columns in 16 bits
        if codes is not None:
            data, scale = np.ascontiguousarray(codes[0], np.int8), np.ascontiguousarray(codes[1], np.float32)
            self.handle = self._lib.al_matrix_int8(data.ctypes.data, scale.ctypes.data, self.rows, self.cols, bias_at)
        else:
            data = np.ascontiguousarray(weights, np.float32)
            height = int(kind.partition("x")[0]) if "x" in kind else 0
            self.handle = self._lib.al_matrix(data.ctypes.data, self.rows, self.cols, bias_at, KINDS[kind], height)

    def __del__(self):
        if getattr(self, "handle", None):
            self._lib.al_matrix_free(self.handle)

    @property
    def kind(self) -> str:
        """The form it is packed in."""
        height = self._lib.al_matrix_height(self.handle)
        return f"{height}x1" if height else FORMS[self._lib.al_matrix_kind(self.handle)]

    @property
    def work(self) -> int:
        """Multiply-adds for one frame, padding included."""
        return self._lib.al_matrix_work(self.handle)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """[cols, frames] -> [rows, frames]."""
        frames = x.shape[1]
        source, out = channels_first(x), aligned((self.rows, pad(frames)))
        self.run(source, out, frames)
        return out[:, :frames]

    def vector(self, x: np.ndarray) -> np.ndarray:
        """One frame: [cols] -> [rows]. For the vector kinds only."""
        source, out = aligned((self.cols + 32,)), aligned((self.rows + 16,))
        source[: self.cols] = x
        self._lib.al_matvec(self.handle, source.ctypes.data, out.ctypes.data)
        return out[: self.rows]

    def run(self, source: np.ndarray, out: np.ndarray, frames: int, pool: "Pool | None" = None) -> None:
        """The same without copies; both arrays as :func:`channels_first` makes them. Threads share the frames."""
        at = pool.handle if pool else None
        if self._lib.al_linear(self.handle, source.ctypes.data, out.ctypes.data, source.shape[1], frames, at):
            raise MemoryError(f"{frames} frames: not enough memory")


class Pool:
    """Threads that wait for work, for single matrices; a program has its own."""

    def __init__(self, threads: int):
        self._lib = library()
        self.handle = self._lib.al_pool(max(1, threads))

    def __del__(self):
        if getattr(self, "handle", None):
            self._lib.al_pool_free(self.handle)
