"""ESPnet's recurrent encoders, ``rnn`` and ``vgg_rnn`` (the CNN-LSTM), as engine programs."""

import math
from dataclasses import dataclass

from audio_lottery.engine.config import integer, refuse, switch
from audio_lottery.engine.program import Program
from audio_lottery.engine.weights import Weights, by_frequency, taps

VGG_LAYERS = ("conv1_1", "conv1_2", "conv2_1", "conv2_2")  # 3 x 3, a maximum over 2 x 2 after every second


@dataclass(frozen=True)
class Layout:
    """What the configuration says; defaults are ESPnet's."""

    vgg: bool
    gru: bool
    bidirectional: bool
    projected: bool
    layers: int
    hidden: int
    steps: tuple[int, ...]  # frames are left out after each layer

    @classmethod
    def read(cls, kind: str, conf: dict) -> "Layout":
        """From ``encoder`` and ``encoder_conf``."""
        refuse(conf.get("in_channel", 1) != 1, f"{kind} encoder with in_channel")
        layers, projected = integer(conf, "num_layers", 4), switch(conf, "use_projection", True)
        steps = conf.get("subsample", (2, 2, 1, 1)) if kind == "rnn" and projected else ()
        steps = [integer({"subsample": step}, "subsample", 1) for step in steps or ()][:layers]
        return cls(
            vgg=kind == "vgg_rnn",
            gru=recurrent_type(conf) == "gru",
            bidirectional=switch(conf, "bidirectional", True),
            projected=projected,
            layers=layers,
            hidden=integer(conf, "hidden_size", 320),
            steps=(*steps, *[1] * (layers - len(steps))),
        )

    @property
    def subsampling(self) -> int:
        """Input frames for one output frame."""
        return (4 if self.vgg else 1) * math.prod(self.steps)

    @property
    def shortest(self) -> int:
        """Fewest input frames that give one output frame."""
        return self.subsampling

    @property
    def streams(self) -> bool:
        """Whether it can go on from where it stopped."""
        return not self.bidirectional

    @property
    def step(self) -> int:
        """Frames that :meth:`EncoderBuilder.body` makes one of."""
        return math.prod(self.steps)

    @property
    def front(self) -> list[tuple[int, int, int]]:
        """(kernel, stride, padding) over time of what stands before the recurrent layers."""
        return [(3, 1, 1), (3, 1, 1), (2, 2, 0)] * 2 if self.vgg else []


def recurrent_type(conf: dict) -> str:
    """``rnn_type``: lstm or gru."""
    kind = conf.get("rnn_type", "lstm")
    refuse(kind not in ("lstm", "gru"), f"rnn_type: {kind}")
    return kind


def recurrent_layer(program: Program, weights: Weights, layout, source: int, directions: list[tuple[str, str]],
                    arrange=None) -> int:
    """An LSTM or GRU layer; the tensors of each direction are called (prefix, suffix). Returns the new buffer."""
    units = program.units(layout.hidden, len(directions))
    cells = [weights.recurrent(prefix, suffix, layout.gru, units, arrange) for prefix, suffix in directions]
    out = program.buffer(layout.hidden * len(cells))
    program.recurrent(source, out, layout.hidden, cells, layout.gru)
    return out


class EncoderBuilder:
    """Adds an encoder's operations to a program. Tensors are called ``prefix`` + ESPnet's names."""

    def __init__(self, program: Program, weights: Weights, layout: Layout, prefix: str = "encoder."):
        self.p, self.w, self.layout, self.prefix = program, weights, layout, prefix

    def build(self, source: int, features: int) -> int:
        """From buffer ``source`` [features, frames] to the buffer of the encoder's output."""
        return self.body(self.front(source))

    def front(self, source: int) -> int:
        """The convolutions, where there are any."""
        channels = 1
        for i, layer in enumerate(VGG_LAYERS if self.layout.vgg else ()):
            matrix = self.w.matrix(f"{self.prefix}enc.0.{layer}", taps)
            source = self.p.conv(source, matrix, channels, (3, 3), (1, 1), (1, 1), "relu")
            channels = matrix.rows
            if i % 2:
                source = self.p.max_pool(source, channels)
        return source

    def body(self, source: int) -> int:
        """The recurrent layers."""
        arrange = None
        if self.layout.vgg:
            arrange = by_frequency(len(self.w.array(f"{self.prefix}enc.0.{VGG_LAYERS[-1]}.weight")))
        name = f"{self.prefix}enc.{int(self.layout.vgg)}"
        return (self._projected if self.layout.projected else self._plain)(source, name, arrange)

    def _layer(self, source: int, name: str, layer: int, arrange) -> int:
        directions = [(name, f"l{layer}"), (name, f"l{layer}_reverse")][: 1 + self.layout.bidirectional]
        return recurrent_layer(self.p, self.w, self.layout, source, directions, arrange)

    def _linear(self, source: int, name: str, tanh: bool) -> int:
        matrix = self.w.matrix(name)
        out = self.p.buffer(matrix.rows)
        self.p.linear(source, out, matrix)
        if tanh:
            self.p.activate(out, "tanh")
        return out

    def _plain(self, source: int, name: str, arrange) -> int:
        for layer in range(self.layout.layers):
            source = self._layer(source, f"{name}.nbrnn", layer, arrange if layer == 0 else None)
        return self._linear(source, f"{name}.l_last", True)

    def _projected(self, source: int, name: str, arrange) -> int:
        module = "birnn" if self.layout.bidirectional else "rnn"
        for layer, step in enumerate(self.layout.steps):
            source = self._layer(source, f"{name}.{module}{layer}", 0, arrange if layer == 0 else None)
            if step > 1:
                kept = self.p.buffer(self.layout.hidden * (1 + self.layout.bidirectional))
                self.p.subsample(source, kept, step)
                source = kept
            source = self._linear(source, f"{name}.bt{layer}", layer < self.layout.layers - 1)
        return source
