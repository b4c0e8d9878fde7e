"""The encoder of Deep Speech 2 (``audio_lottery.espnet.ds2_encoder``) as an engine program."""

from dataclasses import dataclass

import numpy as np

from audio_lottery.engine.config import integer, switch
from audio_lottery.engine.program import Program
from audio_lottery.engine.recurrent_encoder import recurrent_layer, recurrent_type
from audio_lottery.engine.weights import Weights, by_frequency, taps


@dataclass(frozen=True)
class Layout:
    """What the configuration says; defaults are the encoder's own."""

    gru: bool
    bidirectional: bool
    layers: int
    hidden: int
    kernels: tuple[tuple[int, int], ...]  # (time, frequency) of each convolution
    strides: tuple[tuple[int, int], ...]

    @classmethod
    def read(cls, kind: str, conf: dict) -> "Layout":
        """From ``encoder`` and ``encoder_conf``."""
        kernels = _pairs(conf.get("kernel_sizes", ((11, 41), (11, 21))))
        strides = _pairs(conf.get("strides", ((2, 2), (1, 2))))
        if len(kernels) != len(strides) or any(size % 2 == 0 for kernel in kernels for size in kernel):
            raise ValueError("kernel_sizes and strides")
        return cls(
            gru=recurrent_type(conf) == "gru",
            bidirectional=switch(conf, "bidirectional", True),
            layers=integer(conf, "num_layers", 5),
            hidden=integer(conf, "hidden_size", 1024),
            kernels=kernels,
            strides=strides,
        )

    @property
    def subsampling(self) -> int:
        """Input frames for one output frame."""
        return int(np.prod([stride for stride, _ in self.strides]))

    @property
    def shortest(self) -> int:
        """Fewest input frames that give one output frame."""
        return 1

    @property
    def streams(self) -> bool:
        """Whether it can go on from where it stopped."""
        return not self.bidirectional

    @property
    def step(self) -> int:
        """Frames that :meth:`EncoderBuilder.body` makes one of."""
        return 1

    @property
    def front(self) -> list[tuple[int, int, int]]:
        """(kernel, stride, padding) over time of what stands before the recurrent layers."""
        pairs = zip(self.kernels, self.strides, strict=True)
        return [(kernel, stride, kernel // 2) for (kernel, _), (stride, _) in pairs]


def _pairs(value) -> tuple[tuple[int, int], ...]:
    """A list of [time, frequency] as small whole numbers."""
    pairs = tuple(tuple(integer({"size": size}, "size", 1) for size in pair) for pair in value)
    if not pairs or len(pairs) > 16 or any(len(pair) != 2 for pair in pairs):
        raise ValueError("kernel_sizes and strides")
    return pairs


class EncoderBuilder:
    """Adds an encoder's operations to a program. Tensors are called ``prefix`` + the encoder's names."""

    def __init__(self, program: Program, weights: Weights, layout: Layout, prefix: str = "encoder."):
        self.p, self.w, self.layout, self.prefix = program, weights, layout, prefix

    def build(self, source: int, features: int) -> int:
        """From buffer ``source`` [features, frames] to the buffer of the encoder's output."""
        return self.body(self.front(source))

    def front(self, source: int) -> int:
        """The convolutions; batch norm goes into their weights."""
        channels = 1
        for i, (kernel, stride) in enumerate(zip(self.layout.kernels, self.layout.strides, strict=True)):
            name = f"{self.prefix}convs.{i}."
            scale, shift = self.w.batch_norm(f"{name}norm")
            matrix = self.w.matrix(f"{name}conv", taps, scale, shift)
            pad = tuple(size // 2 for size in kernel)
            source = self.p.conv(source, matrix, channels, kernel[::-1], stride[::-1], pad[::-1], "relu20")
            channels = matrix.rows
        return source

    def body(self, source: int) -> int:
        """The recurrent layers."""
        last = f"{self.prefix}convs.{len(self.layout.kernels) - 1}.conv.weight"
        arrange = by_frequency(len(self.w.array(last)))
        for layer in range(self.layout.layers):
            name = f"{self.prefix}rnns.{layer}."
            source = summed_layer(self.p, self.w, self.layout, source, name, arrange)
            self.p.affine(source, source, *self.w.batch_norm(f"{name}norm"))
            arrange = None
        return source


def summed_layer(program: Program, weights: Weights, layout, source: int, name: str, arrange=None) -> int:
    """One of the toolkit's recurrent layers, without its normalisation: the two directions are summed."""
    directions = [(f"{name}{direction}_rnn", "l0") for direction in ("forward", "backward")[: 1 + layout.bidirectional]]
    out = recurrent_layer(program, weights, layout, source, directions, arrange)
    if not layout.bidirectional:
        return out
    forward, backward = (program.view(out, first, layout.hidden) for first in (0, layout.hidden))
    program.add(backward, forward)
    return forward
