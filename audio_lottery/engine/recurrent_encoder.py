"""ESPnet's recurrent encoders, ``rnn`` and ``vgg_rnn`` (the CNN-LSTM), as engine programs."""

import math
from dataclasses import dataclass

import numpy as np

from audio_lottery.engine.config import integer, switch
from audio_lottery.engine.program import Program
from audio_lottery.engine.weights import Weights
from audio_lottery.errors import LotteryError

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
        if conf.get("in_channel", 1) != 1:
            raise LotteryError(f"{kind} encoder with in_channel: the engine cannot run it: export the model as ONNX")
        layers, projected = integer(conf, "num_layers", 4), switch(conf, "use_projection", True)
        steps = conf.get("subsample", (2, 2, 1, 1)) if kind == "rnn" and projected else ()
        steps = [integer({"subsample": step}, "subsample", 1) for step in steps or ()][:layers]
        return cls(
            vgg=kind == "vgg_rnn",
            gru=conf.get("rnn_type", "lstm") == "gru",
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


class EncoderBuilder:
    """Adds an encoder's operations to a program. Tensors are called ``prefix`` + ESPnet's names."""

    def __init__(self, program: Program, weights: Weights, layout: Layout, prefix: str = "encoder."):
        self.p, self.w, self.layout, self.prefix = program, weights, layout, prefix

    def build(self, source: int, features: int) -> int:
        """From buffer ``source`` [features, frames] to the buffer of the encoder's output."""
        arrange = None
        if self.layout.vgg:
            source, features, channels = self._vgg(source, features)

            def arrange(w: np.ndarray) -> np.ndarray:  # torch: [channel][freq]; here [freq][channel]
                return w.reshape(len(w), channels, -1).transpose(0, 2, 1).reshape(len(w), -1)

        name = f"{self.prefix}enc.{int(self.layout.vgg)}"
        return (self._projected if self.layout.projected else self._plain)(source, name, arrange)

    def _vgg(self, source: int, features: int) -> tuple[int, int, int]:
        channels = 1
        for i, layer in enumerate(VGG_LAYERS):
            matrix = self.w.matrix(f"{self.prefix}enc.0.{layer}", lambda w: w.transpose(0, 3, 1, 2).reshape(len(w), -1))
            source = self.p.conv(source, matrix, channels, (3, 3), (1, 1), (1, 1), "relu")
            channels = matrix.rows
            if i % 2:
                source, features = self.p.max_pool(source, channels), (features + 1) // 2
        return source, features * channels, channels

    def _layer(self, source: int, name: str, layer: int, arrange) -> int:
        suffixes = [f"l{layer}", f"l{layer}_reverse"][: 1 + self.layout.bidirectional]
        cells = [self.w.recurrent(name, suffix, self.layout.gru, arrange) for suffix in suffixes]
        out = self.p.buffer(self.layout.hidden * len(cells))
        self.p.recurrent(source, out, self.layout.hidden, cells, self.layout.gru)
        return out

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
