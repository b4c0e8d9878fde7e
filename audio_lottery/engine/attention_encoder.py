"""ESPnet's Conformer and Transformer encoders as engine programs."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from audio_lottery.engine.config import check_options, integer, refuse, switch
from audio_lottery.engine.program import Program
from audio_lottery.engine.weights import BATCH_NORM_EPS, Weights, by_frequency, taps

# Convolutions in front: (kernel, stride) of each; conv2d's over time and frequency alike, conv1d's over time.
SUBSAMPLINGS = {
    "conv2d": ((3, 2), (3, 2)),
    "conv2d1": ((3, 1), (3, 1)),
    "conv2d2": ((3, 2), (3, 1)),
    "conv2d6": ((3, 2), (5, 3)),
    "conv2d8": ((3, 2), (3, 2), (3, 2)),
    "conv1d1": ((3, 1), (3, 1)),
    "conv1d2": ((3, 1), (3, 2)),
    "conv1d3": ((3, 1), (5, 3)),
}
LAYER_NORM_EPS = 1e-12  # ESPnet's own LayerNorm
EMBED_NORM_EPS = 1e-5  # torch's default
COMMON_OPTIONS = {
    "input_layer": (*SUBSAMPLINGS, "linear"),
    "positionwise_layer_type": ("linear",),
    "zero_triu": (False,),
    "qk_norm": (False,),
    "interctc_use_conditioning": (False,),
}


@dataclass(frozen=True)
class Layout:
    """What the configuration says about an encoder; defaults are ESPnet's."""

    kind: str
    size: int
    heads: int
    blocks: int
    input_layer: str
    relative: bool
    macaron: bool
    convolution: bool
    activation: str
    conv_activation: str
    normalize_before: bool
    causal: bool = False  # the convolution sees only frames before
    norm_eps: float = LAYER_NORM_EPS
    last_norm_eps: float = LAYER_NORM_EPS
    conv_norm_eps: float = BATCH_NORM_EPS  # of the norm beside the depthwise convolution
    step = 1  # frames that :meth:`EncoderBuilder.body` makes one of
    streams = False  # the asr task trains with attention to the whole utterance

    @classmethod
    def read(cls, kind: str, conf: dict) -> "Layout":
        """From ``encoder`` and ``encoder_conf``; what the engine has not is a :class:`LotteryError`."""
        conformer = kind == "conformer"
        check_options(kind, conf, {
            **COMMON_OPTIONS,
            "concat_after": (False,),
            "ctc_trim": (False,),
            "activation_type": ("swish", "relu", "tanh"),
            "pos_enc_layer_type": ("abs_pos", "rel_pos") if conformer else ("abs_pos",),
        })  # fmt: skip
        relative = conformer and conf.get("pos_enc_layer_type", "rel_pos") == "rel_pos"
        if relative:
            refuse(conf.get("rel_pos_type", "legacy") != "latest", f"{kind} encoder without rel_pos_type: latest")
        activation = conf.get("activation_type", "swish") if conformer else "relu"
        return cls(
            kind=kind,
            size=integer(conf, "output_size", 256),
            heads=integer(conf, "attention_heads", 4),
            blocks=integer(conf, "num_blocks", 6),
            input_layer=conf.get("input_layer", "conv2d"),
            relative=relative,
            macaron=conformer and switch(conf, "macaron_style", False),
            convolution=conformer and switch(conf, "use_cnn_module", True),
            activation=activation,
            conv_activation=activation,
            normalize_before=switch(conf, "normalize_before", True),
        )

    @property
    def subsampling(self) -> int:
        """Input frames for one output frame."""
        return math.prod(stride for _, stride in SUBSAMPLINGS.get(self.input_layer, ()))

    @property
    def shortest(self) -> int:
        """Fewest input frames that give one output frame."""
        return reach(SUBSAMPLINGS.get(self.input_layer, ()))


def reach(convolutions: Iterable[tuple[int, int]]) -> int:
    """Input frames that one output frame of (kernel, stride) convolutions without padding sees."""
    frames = 1
    for kernel, stride in reversed(list(convolutions)):
        frames = (frames - 1) * stride + kernel
    return frames


class EncoderBuilder:
    """Adds an encoder's operations to a program. Tensors are called ``prefix`` + ESPnet's names."""

    # What ESPnet's asr task calls the parts of a Conformer: its norm and the module itself.
    BLOCKS, LAST_NORM = "encoders.", "after_norm"
    MACARON = ("norm_ff_macaron", "feed_forward_macaron.")
    ATTENTION = ("norm_mha", "self_attn.")
    CONVOLUTION = ("norm_conv", "conv_module.")
    FEED_FORWARD = ("norm_ff", "feed_forward.")

    def __init__(self, program: Program, weights: Weights, layout: Layout, prefix: str = "encoder."):
        self.p, self.w, self.layout, self.prefix = program, weights, layout, prefix
        size = layout.size
        self.x = program.buffer(size)  # the residual stream
        self.n = program.buffer(size)  # a block's input, normalised
        self.y = program.buffer(size)  # a block's output
        self.q, self.k, self.v = (program.buffer(size) for _ in range(3))
        self.hidden: dict[int, int] = {}

    def build(self, source: int, features: int) -> int:
        """From buffer ``source`` [features, frames] to the buffer of the encoder's output."""
        self._embed(source)
        return self.body()

    def body(self) -> int:
        """The blocks, from the embedded features in :attr:`x` to the encoder's output, which is there too."""
        for block in range(self.layout.blocks):
            self._block(f"{self.BLOCKS}{block}.")
        if self.layout.normalize_before:
            self._norm(self.LAST_NORM, self.x, self.x, self.layout.last_norm_eps)
        return self.x

    def _block(self, name: str) -> None:
        (self._conformer if self.layout.kind == "conformer" else self._transformer)(name)

    def _matrix(self, name: str, *args, **kwargs):
        return self.w.matrix(self.prefix + name, *args, **kwargs)

    def _array(self, name: str) -> np.ndarray:
        return self.w.array(self.prefix + name)

    def _norm(self, name: str, src: int, dst: int, eps: float | None = None) -> None:
        eps = self.layout.norm_eps if eps is None else eps
        self.p.layer_norm(src, dst, self._array(f"{name}.weight"), self._array(f"{name}.bias"), eps)

    def _embed(self, source: int) -> None:
        scale = math.sqrt(self.layout.size)
        if self.layout.input_layer == "linear":
            self.p.linear(source, self.x, self._matrix("embed.0"))
            self._norm("embed.1", self.x, self.x, EMBED_NORM_EPS)
            if self.layout.kind == "transformer":
                self.p.activate(self.x, "relu")
            self.p.affine(self.x, self.x, np.full(self.layout.size, scale), np.zeros(self.layout.size))
        else:
            flat = self.layout.input_layer.startswith("conv1d")
            source, channels = self._convolutions(source, SUBSAMPLINGS[self.layout.input_layer], flat)
            out = "embed.out" if f"{self.prefix}embed.out.weight" in self.w else "embed.out.0"  # as before 202611
            self.p.linear(source, self.x, self._matrix(out, by_frequency(channels), scale=scale))
        if not self.layout.relative:
            self.p.positions(self.x)

    def _convolutions(self, source: int, shapes: Iterable[tuple[int, int]], flat: bool = False) -> tuple[int, int]:
        """The last one's output and its channels; flat: over time alone, the features being channels."""
        channels = self.p.channels(source) if flat else 1
        for i, (kernel, stride) in enumerate(shapes):
            matrix = self._matrix(f"embed.conv.{2 * i}", None if flat else taps)
            sides = ((1, kernel), (1, stride)) if flat else ((kernel, kernel), (stride, stride))
            source = self.p.conv(source, matrix, channels, *sides, activation="relu")
            channels = matrix.rows
        return source, channels

    def _residual(self, norm: str, body, scale: float = 1.0) -> None:
        """x += scale * body(norm(x)), or with the norm after the sum. ``body`` reads n, writes y."""
        if self.layout.normalize_before:
            self._norm(norm, self.x, self.n)
            body(self.n)
        else:
            body(self.x)
        self.p.add(self.y, self.x, scale)
        if not self.layout.normalize_before:
            self._norm(norm, self.x, self.x)

    def _conformer(self, block: str) -> None:
        scale = 0.5 if self.layout.macaron else 1.0
        if self.layout.macaron:
            self._part(block, self.MACARON, self._feed_forward, scale)
        self._part(block, self.ATTENTION, self._attention)
        if self.layout.convolution:
            self._part(block, self.CONVOLUTION, self._convolution)
        self._part(block, self.FEED_FORWARD, self._feed_forward, scale)
        if self.layout.convolution:
            self._norm(f"{block}norm_final", self.x, self.x)

    def _part(self, block: str, names: tuple[str, str], body, scale: float = 1.0) -> None:
        self._residual(block + names[0], body(block + names[1]), scale)

    def _transformer(self, block: str) -> None:
        self._part(block, ("norm1", "self_attn."), self._attention)
        self._part(block, ("norm2", "feed_forward."), self._feed_forward)

    def _wide(self, channels: int) -> int:
        if channels not in self.hidden:
            self.hidden[channels] = self.p.buffer(channels)
        return self.hidden[channels]

    def _feed_forward(self, name: str):
        def body(source: int) -> None:
            inner, outer = self._matrix(f"{name}w_1"), self._matrix(f"{name}w_2")
            hidden = self._wide(inner.rows)
            self.p.linear(source, hidden, inner)
            self.p.activate(hidden, self.layout.activation)
            self.p.linear(hidden, self.y, outer)

        return body

    def _attention(self, name: str, out: int | None = None):
        """``out``: the buffer of the result, where it is not y."""
        def body(source: int) -> None:
            for letter, buffer in (("q", self.q), ("k", self.k), ("v", self.v)):
                self.p.linear(source, buffer, self._matrix(f"{name}linear_{letter}"))
            relative = None
            if self.layout.relative:
                biases = (self._array(f"{name}pos_bias_{letter}") for letter in "uv")
                relative = (self._matrix(f"{name}linear_pos"), *biases)
            self.p.attention(self.q, self.k, self.v, self.n, self.layout.heads, relative)
            self.p.linear(self.n, self.y if out is None else out, self._matrix(f"{name}linear_out"))

        return body

    def _convolution(self, name: str):
        def body(source: int) -> None:
            wide = self._wide(2 * self.layout.size)
            self.p.linear(source, wide, self._matrix(f"{name}pointwise_conv1"))
            self.p.glu(wide, self.q)
            gain, shift = self.w.batch_norm(f"{self.prefix}{name}norm", self.layout.conv_norm_eps)
            filters = self._array(f"{name}depthwise_conv.weight")[:, 0] * gain[:, None]
            bias = self._array(f"{name}depthwise_conv.bias") * gain + shift
            self.p.depthwise(self.q, self.k, filters, bias, self.layout.causal)
            self.p.activate(self.k, self.layout.conv_activation)
            self.p.linear(self.k, self.y, self._matrix(f"{name}pointwise_conv2"))

        return body
