"""Encoders of ESPnet's ``asr_transducer`` task as engine programs: Conformer, Branchformer and E-Branchformer blocks,
or the toolkit's LSTM and GRU."""

import math
from dataclasses import dataclass

from audio_lottery.engine import attention_encoder, ebranchformer_encoder
from audio_lottery.engine.config import check_options, integer, refuse, section, switch
from audio_lottery.engine.ds2_encoder import summed_layer
from audio_lottery.engine.program import Program
from audio_lottery.engine.recurrent_encoder import recurrent_type
from audio_lottery.engine.weights import Weights, by_frequency, taps
from audio_lottery.errors import LotteryError

SUBSAMPLINGS = {2: ((3, 2), (3, 1)), 4: ((3, 2), (3, 2)), 6: ((3, 2), (5, 3))}  # (kernel, stride) of each convolution
VGG = [(3, 1, 1), (3, 1, 0), (2, 2, 0)] * 2  # (kernel, stride, padding); the last of three is a maximum
RECURRENT_NORM_EPS = 1e-5  # torch's default
KINDS = {"conformer": "conformer", "branchformer": "branchformer", "ebranchformer": "e_branchformer"}
# What blocks may differ in: sizes that their tensors show, and what only training knows.
FREE = {"num_blocks", "linear_size", "conv_mod_kernel_size", "depth_conv_kernel_size", "dropout_rate",
        "att_dropout_rate", "pos_wise_dropout_rate", "conv_mod_norm_momentum"}  # fmt: skip


@dataclass(frozen=True)
class Layout(ebranchformer_encoder.Layout):
    """What the configuration says; defaults are ESPnet's."""

    vgg: bool = False
    factor: int = 4  # ESPnet's subsampling_factor
    recurrent: bool = False
    gru: bool = False
    bidirectional: bool = False
    hidden: int = 0

    @classmethod
    def read(cls, kind: str, conf: dict) -> "Layout":
        """From ``encoder_conf``; what the engine has not is a :class:`LotteryError`."""
        first, count = _blocks(conf["body_conf"])
        block = first.get("block_type")
        refuse(block not in (*KINDS, "rnn"), f"block_type: {block}")
        front, main = section(conf, "input_conf"), section(conf, "main_conf")
        vgg, factor = switch(front, "vgg_like", False), integer(front, "subsampling_factor", 4)
        refuse(factor not in ((4,) if vgg else SUBSAMPLINGS), f"subsampling_factor: {factor}")
        if block == "rnn":
            return cls._recurrent(first, vgg, factor)
        check_options("transducer", main, {
            "pos_wise_act_type": ("swish", "relu", "tanh"), "conv_mod_act_type": ("swish", "relu", "tanh"),
            "norm_type": ("layer_norm",), "simplified_att_score": (False,),
        })  # fmt: skip
        refuse(main.get("swish_beta", 1) != 1, "transducer encoder with swish_beta")
        conformer, eps = block == "conformer", attention_encoder.LAYER_NORM_EPS
        if not conformer:
            check_options("transducer", main, {"conv_mod_norm_type": ("layer_norm",)})
        return cls(
            kind=KINDS[block],
            size=integer(first, "hidden_size", 0),
            heads=integer(first, "heads", 4),
            blocks=count,
            input_layer="",
            relative=True,
            macaron=block != "branchformer",
            convolution=conformer,
            activation=main.get("pos_wise_act_type", "swish"),
            conv_activation=main.get("conv_mod_act_type", "swish"),
            normalize_before=True,
            causal=switch(main, "dynamic_chunk_training", False),
            norm_eps=_epsilon(first, "norm_eps", eps),
            last_norm_eps=_epsilon(main, "after_norm_eps", eps),
            conv_norm_eps=_epsilon(first, "conv_mod_norm_eps", attention_encoder.BATCH_NORM_EPS if conformer else eps),
            feed_forward=block != "branchformer",
            vgg=vgg,
            factor=factor,
        )

    @classmethod
    def _recurrent(cls, conf: dict, vgg: bool, factor: int) -> "Layout":
        return cls(
            kind="rnn", size=0, heads=1, blocks=integer(conf, "num_layers", 1), input_layer="", relative=False,
            macaron=False, convolution=False, activation="", conv_activation="", normalize_before=False,
            vgg=vgg, factor=factor, recurrent=True, gru=recurrent_type(conf) == "gru",
            bidirectional=switch(conf, "bidirectional", True), hidden=integer(conf, "hidden_size", 0),
        )  # fmt: skip

    @property
    def streams(self) -> bool:
        """Whether it was made to work piece by piece: LSTM one way, or a Conformer trained with dynamic chunks."""
        return not self.bidirectional if self.recurrent else self.causal

    @property
    def front(self) -> list[tuple[int, int, int]]:
        """(kernel, stride, padding) over time of what stands before the blocks."""
        return VGG if self.vgg else [(kernel, stride, 0) for kernel, stride in SUBSAMPLINGS[self.factor]]

    @property
    def subsampling(self) -> int:
        """Input frames for one output frame."""
        return math.prod(stride for _, stride, _ in self.front)

    @property
    def shortest(self) -> int:
        """Fewest input frames that ESPnet takes; where it takes too few, those that give one output frame."""
        espnets = {2: 3, 4: 7, 6: 11}[self.factor]
        return espnets if self.vgg else max(espnets, attention_encoder.reach(SUBSAMPLINGS[self.factor]))


def _blocks(body: list[dict]) -> tuple[dict, int]:
    """The first entry of ``body_conf``, and how many blocks there are; they must be alike but for their sizes."""
    if type(body) is not list or not body or any(type(entry) is not dict for entry in body):
        raise LotteryError("body_conf: not a list of maps: the ticket is damaged")
    kept = [{key: value for key, value in entry.items() if key not in FREE} for entry in body]
    refuse(any(entry != kept[0] for entry in kept), "transducer encoder with more than one kind of block")
    refuse(len(body) > 1 and kept[0].get("block_type") == "rnn", "transducer encoder with several stacks of layers")
    return body[0], sum(integer(entry, "num_blocks", 1) for entry in body)


def _epsilon(conf: dict, name: str, default: float) -> float:
    value = conf.get(name)
    if value is None:
        return default
    refuse(type(value) is not float or not 0 < value < 1, f"{name}: {value}")
    return value


class EncoderBuilder(ebranchformer_encoder.Branches, attention_encoder.EncoderBuilder):
    """Adds an encoder's operations to a program. Tensors are called ``prefix`` + ESPnet's names."""

    BLOCKS, LAST_NORM = "encoders.blocks.", "encoders.norm_blocks"
    MACARON = ("norm_macaron", "feed_forward_macaron.")
    ATTENTION = ("norm_self_att", "self_att.")
    CONVOLUTION = ("norm_conv", "conv_mod.")
    FEED_FORWARD = ("norm_feed_forward", "feed_forward.")
    FIRST = ("norm_feed_forward_macaron", "feed_forward_macaron.")
    MLP, GATE, MERGE = "", "conv_mod.", "depthwise_conv_mod.conv"

    def __init__(self, program: Program, weights: Weights, layout: Layout, prefix: str = "encoder."):
        if layout.recurrent:
            self.p, self.w, self.layout, self.prefix = program, weights, layout, prefix
        else:
            super().__init__(program, weights, layout, prefix)

    def build(self, source: int, features: int) -> int:
        """From buffer ``source`` [features, frames] to the buffer of the encoder's output."""
        return self.body(self.front(source))

    def front(self, source: int) -> int:
        """The convolutions."""
        return self._vgg(source) if self.layout.vgg else self._convolutions(source, SUBSAMPLINGS[self.layout.factor])[0]

    def body(self, source: int) -> int:
        """What follows: Conformer blocks or recurrent layers."""
        last = f"{self.prefix}embed.conv.{7 if self.layout.vgg else 2}.weight"
        arrange = by_frequency(len(self.w.array(last)))
        if self.layout.recurrent:
            return self._layers(source, arrange)
        self.p.linear(source, self.x, self._matrix("embed.output", arrange))
        return super().body()

    def _block(self, name: str) -> None:
        (super()._block if self.layout.kind == "conformer" else self._branches_block)(name)

    def _vgg(self, source: int) -> int:
        channels = 1
        for index, pad in ((0, 1), (2, 0), (5, 1), (7, 0)):
            matrix = self._matrix(f"embed.conv.{index}", taps)
            source = self.p.conv(source, matrix, channels, (3, 3), (1, 1), (pad, pad), "relu")
            channels = matrix.rows
            if pad == 0:
                source = self.p.max_pool(source, channels)
        return source

    def _layers(self, source: int, arrange) -> int:
        for layer in range(self.layout.blocks):
            name = f"rnns.{layer}."
            source = summed_layer(self.p, self.w, self.layout, source, self.prefix + name, arrange)
            self._norm(f"{name}norm", source, source, RECURRENT_NORM_EPS)
            arrange = None
        return source
