"""ESPnet's E-Branchformer encoder as an engine program: attention beside a gated MLP, merged by a convolution."""

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
        })  # fmt: skip
        relative = conf.get("pos_enc_layer_type", "rel_pos") == "rel_pos"
        refuse(relative != (conf.get("attention_layer_type", "rel_selfattn") == "rel_selfattn"),
               f"{kind} encoder with one of rel_pos and rel_selfattn")
        feed_forward, activation = switch(conf, "use_ffn", False), conf.get("ffn_activation_type", "swish")
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
            feed_forward=feed_forward,
            gate_activation=conf.get("gate_activation", "identity"),
        )


class EncoderBuilder(attention_encoder.EncoderBuilder):
    """Adds an encoder's operations to a program. Tensors are called ``prefix`` + ESPnet's names."""

    def __init__(self, program, weights, layout: Layout, prefix: str = "encoder."):
        super().__init__(program, weights, layout, prefix)
        size = layout.size
        self.both, self.merged = program.buffer(2 * size), program.buffer(2 * size)
        self.left, self.right = program.view(self.both, 0, size), program.view(self.both, size, size)
        self.gates: dict[int, tuple[int, int]] = {}

    def _block(self, name: str) -> None:
        scale = 0.5 if self.layout.macaron else 1.0
        if self.layout.macaron:
            self._part(name, self.MACARON, self._feed_forward, scale)
        self._norm(f"{name}norm_mha", self.x, self.n)
        self._attention(f"{name}attn.", self.left)(self.n)
        self._norm(f"{name}norm_mlp", self.x, self.n)
        self._gated_mlp(f"{name}cgmlp.")
        self._depthwise(f"{name}depthwise_conv_fusion", self.both, self.merged)
        self.p.add(self.both, self.merged)
        self.p.linear(self.merged, self.y, self._matrix(f"{name}merge_proj"))
        self.p.add(self.y, self.x)
        if self.layout.feed_forward:
            self._part(name, self.FEED_FORWARD, self._feed_forward, scale)
        self._norm(f"{name}norm_final", self.x, self.x)

    def _depthwise(self, name: str, src: int, dst: int) -> None:
        self.p.depthwise(src, dst, self._array(f"{name}.weight")[:, 0], self._array(f"{name}.bias"))

    def _gated_mlp(self, name: str) -> None:
        """From n to the right half of ``both``: half of the channels, times a convolution of the other half."""
        inner = self._matrix(f"{name}channel_proj1.0")
        wide, half = self._wide(inner.rows), inner.rows // 2
        if half not in self.gates:
            self.gates[half] = (self.p.view(wide, 0, half), self.p.view(wide, half, half))
        kept, gate = self.gates[half]
        self.p.linear(self.n, wide, inner)
        self.p.activate(wide, "gelu")
        self._norm(f"{name}csgu.norm", gate, gate)
        filtered = self._wide(half)
        self._depthwise(f"{name}csgu.conv", gate, filtered)
        if f"{self.prefix}{name}csgu.linear.weight" in self.w:
            self.p.linear(filtered, gate, self._matrix(f"{name}csgu.linear"))
            filtered = gate
        if self.layout.gate_activation != "identity":
            self.p.activate(filtered, self.layout.gate_activation)
        self.p.multiply(filtered, kept)
        self.p.linear(kept, self.right, self._matrix(f"{name}channel_proj2"))
