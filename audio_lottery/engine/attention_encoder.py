"""ESPnet's Conformer and Transformer encoders as engine programs."""

import math
from dataclasses import dataclass

import numpy as np

from audio_lottery.engine.config import integer, switch
from audio_lottery.engine.program import Program
from audio_lottery.engine.weights import Weights
from audio_lottery.errors import LotteryError

# Convolutions in front: (kernel, stride) of each, over time and frequency alike.
SUBSAMPLINGS = {
    "conv2d": ((3, 2), (3, 2)),
    "conv2d1": ((3, 1), (3, 1)),
    "conv2d2": ((3, 2), (3, 1)),
    "conv2d6": ((3, 2), (5, 3)),
    "conv2d8": ((3, 2), (3, 2), (3, 2)),
}
LAYER_NORM_EPS = 1e-12  # ESPnet's own LayerNorm
EMBED_NORM_EPS = BATCH_NORM_EPS = 1e-5  # torch's defaults


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
    normalize_before: bool

    @classmethod
    def read(cls, kind: str, conf: dict) -> "Layout":
        """From ``encoder`` and ``encoder_conf``; what the engine has not is a :class:`LotteryError`."""
        conformer = kind == "conformer"
        for option, allowed in (
            ("input_layer", (*SUBSAMPLINGS, "linear")),
            ("positionwise_layer_type", ("linear",)),
            ("concat_after", (False,)),
            ("zero_triu", (False,)),
            ("qk_norm", (False,)),
            ("interctc_use_conditioning", (False,)),
            ("ctc_trim", (False,)),
            ("activation_type", ("swish", "relu", "tanh")),
            ("pos_enc_layer_type", ("abs_pos", "rel_pos") if conformer else ("abs_pos",)),
        ):
            value = conf.get(option, allowed[0])
            _refuse(type(value) not in (str, bool) or value not in allowed, f"{kind} encoder with {option}: {value}")
        relative = conformer and conf.get("pos_enc_layer_type", "rel_pos") == "rel_pos"
        if relative:
            _refuse(conf.get("rel_pos_type", "legacy") != "latest", f"{kind} encoder without rel_pos_type: latest")
        return cls(
            kind=kind,
            size=integer(conf, "output_size", 256),
            heads=integer(conf, "attention_heads", 4),
            blocks=integer(conf, "num_blocks", 6),
            input_layer=conf.get("input_layer", "conv2d"),
            relative=relative,
            macaron=conformer and switch(conf, "macaron_style", False),
            convolution=conformer and switch(conf, "use_cnn_module", True),
            activation=conf.get("activation_type", "swish") if conformer else "relu",
            normalize_before=switch(conf, "normalize_before", True),
        )

    @property
    def subsampling(self) -> int:
        """Input frames for one output frame."""
        return math.prod(stride for _, stride in SUBSAMPLINGS.get(self.input_layer, ()))

    @property
    def shortest(self) -> int:
        """Fewest input frames that give one output frame."""
        frames = 1
        for kernel, stride in reversed(SUBSAMPLINGS.get(self.input_layer, ())):
            frames = (frames - 1) * stride + kernel
        return frames


def _refuse(wrong: bool, what: str) -> None:
    if wrong:
        raise LotteryError(f"{what[:200]}: the engine cannot run it: export the model as ONNX instead")


class EncoderBuilder:
    """Adds an encoder's operations to a program. Tensors are called ``prefix`` + ESPnet's names."""

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
        for block in range(self.layout.blocks):
            (self._conformer if self.layout.kind == "conformer" else self._transformer)(f"encoders.{block}.")
        if self.layout.normalize_before:
            self._norm("after_norm", self.x, self.x)
        return self.x

    def _matrix(self, name: str, *args, **kwargs):
        return self.w.matrix(self.prefix + name, *args, **kwargs)

    def _array(self, name: str) -> np.ndarray:
        return self.w.array(self.prefix + name)

    def _norm(self, name: str, src: int, dst: int, eps: float = LAYER_NORM_EPS) -> None:
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
            channels = 1
            for i, (kernel, stride) in enumerate(SUBSAMPLINGS[self.layout.input_layer]):
                # torch: [out, in, time, freq]
                matrix = self._matrix(f"embed.conv.{2 * i}", lambda w: w.transpose(0, 3, 1, 2).reshape(len(w), -1))
                source = self.p.conv(source, matrix, channels, (kernel, kernel), (stride, stride), activation="relu")
                channels = matrix.rows
            out = "embed.out" if f"{self.prefix}embed.out.weight" in self.w else "embed.out.0"  # as before 202611

            def by_frequency(w):
                return w.reshape(len(w), channels, -1).transpose(0, 2, 1).reshape(len(w), -1)

            self.p.linear(source, self.x, self._matrix(out, by_frequency, scale=scale))
        if not self.layout.relative:
            self.p.positions(self.x)

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
            self._residual(f"{block}norm_ff_macaron", self._feed_forward(f"{block}feed_forward_macaron."), scale)
        self._residual(f"{block}norm_mha", self._attention(f"{block}self_attn."))
        if self.layout.convolution:
            self._residual(f"{block}norm_conv", self._convolution(f"{block}conv_module."))
        self._residual(f"{block}norm_ff", self._feed_forward(f"{block}feed_forward."), scale)
        if self.layout.convolution:
            self._norm(f"{block}norm_final", self.x, self.x)

    def _transformer(self, block: str) -> None:
        self._residual(f"{block}norm1", self._attention(f"{block}self_attn."))
        self._residual(f"{block}norm2", self._feed_forward(f"{block}feed_forward."))

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

    def _attention(self, name: str):
        def body(source: int) -> None:
            for letter, buffer in (("q", self.q), ("k", self.k), ("v", self.v)):
                self.p.linear(source, buffer, self._matrix(f"{name}linear_{letter}"))
            relative = None
            if self.layout.relative:
                biases = (self._array(f"{name}pos_bias_{letter}") for letter in "uv")
                relative = (self._matrix(f"{name}linear_pos"), *biases)
            self.p.attention(self.q, self.k, self.v, self.n, self.layout.heads, relative)
            self.p.linear(self.n, self.y, self._matrix(f"{name}linear_out"))

        return body

    def _convolution(self, name: str):
        def body(source: int) -> None:
            wide = self._wide(2 * self.layout.size)
            self.p.linear(source, wide, self._matrix(f"{name}pointwise_conv1"))
            self.p.glu(wide, self.q)
            norm = {
                key: self._array(f"{name}norm.{key}").astype(np.float64)
                for key in ("weight", "bias", "running_mean", "running_var")
            }
            gain = norm["weight"] / np.sqrt(norm["running_var"] + BATCH_NORM_EPS)
            filters = self._array(f"{name}depthwise_conv.weight")[:, 0] * gain[:, None]
            bias = (self._array(f"{name}depthwise_conv.bias") - norm["running_mean"]) * gain + norm["bias"]
            self.p.depthwise(self.q, self.k, filters, bias)
            self.p.activate(self.k, self.layout.activation)
            self.p.linear(self.k, self.y, self._matrix(f"{name}pointwise_conv2"))

        return body
