"""ESPnet's E-Branchformer encoder as an engine program: attention beside a gated MLP, merged by a convolution; and its
Branchformer, which merges them without one and has no feed-forward."""

from dataclasses import dataclass

from audio_lottery.engine import attention_encoder
from audio_lottery.engine.config import check_options, integer, refuse, switch

ACTIVATIONS = ("swish", "relu", "tanh")


@dataclass(frozen=True)
class Layout(attention_encoder.Layout):
    """What the configuration says; defaults are ESPnet's."""

    feed_forward: bool = False
    gate_activation: str = "identity"

    @classmethod
    def read(cls, kind: str, conf: dict) -> "Layout":
        """From ``encoder`` and ``encoder_conf``; what the engine has not is a :class:`LotteryError`."""
        check_options(kind, conf, {
            **attention_encoder.COMMON_OPTIONS,
            "attention_layer_type": ("rel_selfattn", "selfattn"),
            "pos_enc_layer_type": ("rel_pos", "abs_pos"),
            "rel_pos_type": ("latest",),
            "gate_activation": ("identity", *ACTIVATIONS),
            "ffn_activation_type": ACTIVATIONS,
            "use_attn": (True,),
            "use_cgmlp": (True,),
            "merge_method": ("concat",),
        })  # fmt: skip
        relative = conf.get("pos_enc_layer_type", "rel_pos") == "rel_pos"
        refuse(relative != (conf.get("attention_layer_type", "rel_selfattn") == "rel_selfattn"),
               f"{kind} encoder with one of rel_pos and rel_selfattn")
        feed_forward = kind != "branchformer" and switch(conf, "use_ffn", False)
        activation = conf.get("ffn_activation_type", "swish")
        return cls(
            kind=kind,
            size=integer(conf, "output_size", 256),
            heads=integer(conf, "attention_heads", 4),
            blocks=integer(conf, "num_blocks", 12),
            input_layer=conf.get("input_layer", "conv2d"),
            relative=relative,
            macaron=feed_forward and switch(conf, "macaron_ffn", False),
            convolution=False,
            activation=activation,
            conv_activation=activation,
            normalize_before=True,
            conv_norm_eps=attention_encoder.LAYER_NORM_EPS,
            feed_forward=feed_forward,
            gate_activation=conf.get("gate_activation", "identity"),
        )


class Branches:
    """Blocks of two branches, for an :class:`attention_encoder.EncoderBuilder` whose layout is of such blocks."""

    # What ESPnet's asr task calls the parts.
    FIRST = ("norm_ff_macaron", "feed_forward_macaron.")
    MLP, GATE, MERGE = "cgmlp.", "cgmlp.csgu.", "depthwise_conv_fusion"

    def __init__(self, *args):
        super().__init__(*args)
        self.split: dict[tuple[int, str], tuple[int, int, int]] = {}

    def _branches_block(self, name: str) -> None:
        layout, scale = self.layout, 0.5 if self.layout.macaron else 1.0
        if layout.macaron:
            self._part(name, self.FIRST, self._feed_forward, scale)
        both, left, right = self._halves(2 * layout.size, "both")
        self._norm(name + self.ATTENTION[0], self.x, self.n)
        self._attention(name + self.ATTENTION[1], left)(self.n)
        self._norm(f"{name}norm_mlp", self.x, self.n)
        self._gated_mlp(name, right)
        if layout.kind != "branchformer":
            merged, *_ = self._halves(2 * layout.size, "merged")
            self._depthwise(name + self.MERGE, both, merged)
            self.p.add(both, merged)
            both = merged
        self.p.linear(both, self.y, self._matrix(f"{name}merge_proj"))
        self.p.add(self.y, self.x)
        if layout.feed_forward:
            self._part(name, self.FEED_FORWARD, self._feed_forward, scale)
        self._norm(f"{name}norm_final", self.x, self.x)

    def _halves(self, channels: int, use: str) -> tuple[int, int, int]:
        """A buffer and views of its halves, the same for all blocks."""
        if (channels, use) not in self.split:
            whole, half = self.p.buffer(channels), channels // 2
            self.split[channels, use] = (whole, self.p.view(whole, 0, half), self.p.view(whole, half, half))
        return self.split[channels, use]

    def _depthwise(self, name: str, src: int, dst: int) -> None:
        self.p.depthwise(src, dst, self._array(f"{name}.weight")[:, 0], self._array(f"{name}.bias"), self.layout.causal)

    def _gated_mlp(self, block: str, out: int) -> None:
        """From n to ``out``: half of the channels, times a convolution of the other half."""
        name, gates = block + self.MLP, block + self.GATE
        inner = self._matrix(f"{name}channel_proj1.0")
        wide, kept, gate = self._halves(inner.rows, "gate")
        self.p.linear(self.n, wide, inner)
        self.p.activate(wide, "gelu")
        self._norm(f"{gates}norm", gate, gate, self.layout.conv_norm_eps)
        filtered = self._wide(inner.rows // 2)
        self._depthwise(f"{gates}conv", gate, filtered)
        if f"{self.prefix}{gates}linear.weight" in self.w:
            self.p.linear(filtered, gate, self._matrix(f"{gates}linear"))
            filtered = gate
        if self.layout.gate_activation != "identity":
            self.p.activate(filtered, self.layout.gate_activation)
        self.p.multiply(filtered, kept)
        self.p.linear(kept, out, self._matrix(f"{name}channel_proj2"))


class EncoderBuilder(Branches, attention_encoder.EncoderBuilder):
    """Adds an encoder's operations to a program. Tensors are called ``prefix`` + ESPnet's names."""

    ATTENTION = ("norm_mha", "attn.")

    def _block(self, name: str) -> None:
        self._branches_block(name)
