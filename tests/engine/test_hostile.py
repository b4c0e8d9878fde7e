"""Tickets that were made to break the engine: one LotteryError, or a result; never a crash."""

import copy

import numpy as np
import pytest

from audio_lottery.engine.recogniser import Decoding, Recogniser
from audio_lottery.errors import LotteryError
from audio_lottery.export import ticket_file
from audio_lottery.export.arrays import Tensor

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
SIZE, MELS, TOKENS = 8, 13, ["<blank>", "a", "b", "<sos/eos>"]
CONFIGS = {
    "conformer": {"output_size": SIZE, "attention_heads": 2, "num_blocks": 1, "input_layer": "conv2d",
                  "macaron_style": True, "use_cnn_module": True, "rel_pos_type": "latest", "normalize_before": True,
                  "pos_enc_layer_type": "rel_pos", "activation_type": "swish"},
    "vgg_rnn": {"rnn_type": "lstm", "bidirectional": True, "use_projection": True, "num_layers": 1,
                "hidden_size": 8, "output_size": SIZE},
    "ds2": {"rnn_type": "gru", "bidirectional": True, "num_layers": 1, "hidden_size": SIZE,
            "kernel_sizes": [[3, 5], [5, 3]], "strides": [[2, 2], [1, 2]]},
    "e_branchformer": {"output_size": SIZE, "attention_heads": 2, "num_blocks": 1, "input_layer": "conv2d",
                       "use_ffn": False, "gate_activation": "identity", "pos_enc_layer_type": "rel_pos",
                       "rel_pos_type": "latest"},
    "transducer": {"input_conf": {"vgg_like": False, "subsampling_factor": 4},
                   "body_conf": [{"block_type": "rnn", "rnn_type": "lstm", "bidirectional": False, "num_layers": 1,
                                  "hidden_size": SIZE}]},
}  # fmt: skip
EVIL = [None, -1, 0, 1, 3, 2**31, 2**70, 1.5, float("nan"), "", "x" * 5000, "latest", [], [1], {}, {"a": 1}, True]


def conformer() -> dict[str, tuple[int, ...]]:
    """Names and shapes of a small Conformer."""
    shapes = {"embed.conv.0.weight": (SIZE, 1, 3, 3), "embed.conv.0.bias": (SIZE,),
              "embed.conv.2.weight": (SIZE, SIZE, 3, 3), "embed.conv.2.bias": (SIZE,),
              "embed.out.weight": (SIZE, SIZE * 2), "embed.out.bias": (SIZE,)}  # fmt: skip
    block = "encoders.0."
    for name in ("feed_forward", "feed_forward_macaron"):
        shapes |= {f"{block}{name}.w_1.weight": (16, SIZE), f"{block}{name}.w_1.bias": (16,),
                   f"{block}{name}.w_2.weight": (SIZE, 16), f"{block}{name}.w_2.bias": (SIZE,)}  # fmt: skip
    for letter in ("q", "k", "v", "out", "pos"):
        shapes[f"{block}self_attn.linear_{letter}.weight"] = (SIZE, SIZE)
    shapes |= {f"{block}self_attn.pos_bias_{letter}": (2, SIZE // 2) for letter in "uv"}
    for norm in ("norm_ff", "norm_ff_macaron", "norm_mha", "norm_conv", "norm_final", "conv_module.norm"):
        shapes |= {f"{block}{norm}.{part}": (SIZE,) for part in ("weight", "bias")}
    shapes |= {f"{block}conv_module.norm.running_{part}": (SIZE,) for part in ("mean", "var")}
    shapes |= {f"{block}conv_module.pointwise_conv1.weight": (2 * SIZE, SIZE, 1),
               f"{block}conv_module.depthwise_conv.weight": (SIZE, 1, 3),
               f"{block}conv_module.depthwise_conv.bias": (SIZE,),
               f"{block}conv_module.pointwise_conv2.weight": (SIZE, SIZE, 1)}  # fmt: skip
    return shapes | {"after_norm.weight": (SIZE,), "after_norm.bias": (SIZE,)}


def vgg() -> dict[str, tuple[int, ...]]:
    """Names and shapes of a small CNN-LSTM."""
    shapes, before = {}, 1
    for name, channels in (("conv1_1", 4), ("conv1_2", 4), ("conv2_1", 6), ("conv2_2", 6)):
        shapes |= {f"enc.0.{name}.weight": (channels, before, 3, 3), f"enc.0.{name}.bias": (channels,)}
        before = channels
    for suffix in ("l0", "l0_reverse"):
        shapes |= {f"enc.1.birnn0.weight_ih_{suffix}": (32, 6 * 4), f"enc.1.birnn0.weight_hh_{suffix}": (32, 8),
                   f"enc.1.birnn0.bias_ih_{suffix}": (32,), f"enc.1.birnn0.bias_hh_{suffix}": (32,)}  # fmt: skip
    return shapes | {"enc.1.bt0.weight": (SIZE, 16), "enc.1.bt0.bias": (SIZE,)}


def recurrent(name: str, inputs: int, size: int, gates: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of one torch LSTM or GRU."""
    rows = gates * size
    return {f"{name}.weight_ih_l0": (rows, inputs), f"{name}.weight_hh_l0": (rows, size),
            f"{name}.bias_ih_l0": (rows,), f"{name}.bias_hh_l0": (rows,)}  # fmt: skip


def ds2() -> dict[str, tuple[int, ...]]:
    """Names and shapes of a small Deep Speech 2."""
    shapes = {"convs.0.conv.weight": (4, 1, 3, 5), "convs.1.conv.weight": (4, 4, 5, 3)}
    for direction in ("forward", "backward"):
        shapes |= recurrent(f"rnns.0.{direction}_rnn", 4 * 4, SIZE, 3)
    for norm, size in (("convs.0.norm", 4), ("convs.1.norm", 4), ("rnns.0.norm", SIZE)):
        shapes |= {f"{norm}.{part}": (size,) for part in ("weight", "bias", "running_mean", "running_var")}
    return shapes


def e_branchformer() -> dict[str, tuple[int, ...]]:
    """Names and shapes of a small E-Branchformer."""
    wanted = ("embed", "after_norm", "encoders.0.self_attn", "encoders.0.norm_mha", "encoders.0.norm_final")
    kept = {name: shape for name, shape in conformer().items() if name.startswith(wanted)}
    shapes = {name.replace("self_attn", "attn"): shape for name, shape in kept.items()}
    block = "encoders.0."
    return shapes | {
        f"{block}norm_mlp.weight": (SIZE,), f"{block}norm_mlp.bias": (SIZE,),
        f"{block}cgmlp.channel_proj1.0.weight": (12, SIZE), f"{block}cgmlp.channel_proj2.weight": (SIZE, 6),
        f"{block}cgmlp.csgu.norm.weight": (6,), f"{block}cgmlp.csgu.norm.bias": (6,),
        f"{block}cgmlp.csgu.conv.weight": (6, 1, 3), f"{block}cgmlp.csgu.conv.bias": (6,),
        f"{block}depthwise_conv_fusion.weight": (2 * SIZE, 1, 3), f"{block}depthwise_conv_fusion.bias": (2 * SIZE,),
        f"{block}merge_proj.weight": (SIZE, 2 * SIZE),
    }  # fmt: skip


def transducer() -> dict[str, tuple[int, ...]]:
    """Names and shapes of a small transducer's encoder."""
    return {"embed.conv.0.weight": (4, 1, 3, 3), "embed.conv.2.weight": (4, 4, 3, 3),
            **recurrent("rnns.0.forward_rnn", 4 * 2, SIZE, 4), "rnns.0.norm.weight": (SIZE,),
            "rnns.0.norm.bias": (SIZE,)}  # fmt: skip


def make(encoder: str) -> ticket_file.TicketFile:
    rng = np.random.default_rng(0)
    shapes = {f"encoder.{name}": shape for name, shape in SHAPES[encoder]().items()}
    if encoder == "transducer":
        shapes |= {"decoder.embed.weight": (len(TOKENS), 5), **recurrent("decoder.rnn.0", 5, 6, 4),
                   "joint_network.lin_enc.weight": (7, SIZE), "joint_network.lin_dec.weight": (7, 6),
                   "joint_network.lin_out.weight": (len(TOKENS), 7)}  # fmt: skip
    shapes |= {
        "ctc.ctc_lo.weight": (len(TOKENS), SIZE),
        "frontend.logmel.melmat": (65, MELS),
        "normalize.mean": (MELS,),
    }
    state = {name: np.abs(rng.normal(size=shape)).astype(np.float32) for name, shape in shapes.items()}
    state["normalize.std"] = np.ones(MELS, np.float32)
    config = {"encoder": encoder, "encoder_conf": CONFIGS[encoder], "normalize": "global_mvn", "normalize_conf": {},
              "frontend": "default", "frontend_conf": {"fs": 8000, "n_fft": 128, "hop_length": 40, "win_length": 100,
                                                       "center": True}, "token_type": "char",
              "decoder": "rnn" if encoder == "transducer" else None,
              "decoder_conf": {"rnn_type": "lstm", "num_layers": 1}, "joint_network_conf": {}}  # fmt: skip
    return ticket_file.make(state, {}, config, TOKENS)


SHAPES = {"conformer": conformer, "vgg_rnn": vgg, "ds2": ds2, "e_branchformer": e_branchformer,
          "transducer": transducer}  # fmt: skip


def attempt(ticket: ticket_file.TicketFile) -> bool:
    try:
        recogniser = Recogniser(ticket, int8=len(ticket.config) % 2 == 0)
        samples = np.sin(np.arange(4000) ** 1.3).astype(np.float32)
        for beam in (1, 3):
            recogniser.text(recogniser.transcribe(samples, 8000, Decoding(beam)))
        if recogniser.layout.streams:
            Recogniser(ticket, left=4).transcribe(samples, 8000)
    except LotteryError as error:
        assert "\n" not in str(error)
        return False
    return True


def reshaped(data: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The tensor with another shape, another rank, or nothing in it."""
    kind = rng.integers(6)
    if kind == 0:
        return data[:0]
    if kind == 1:
        return data.reshape(-1)
    if kind == 2:
        return np.concatenate([data, data])
    if kind == 3:
        return data[None]
    if kind == 4:
        return data[..., :-1]
    return data.T


def test_whole_tickets_run(backend):
    for encoder in CONFIGS:
        assert attempt(make(encoder))


def test_hostile_configurations_and_tensors(backend):
    rng = np.random.default_rng(5)
    for encoder in CONFIGS:
        whole = make(encoder)
        names = list(whole.tensors)
        for turn in range(150):
            ticket = copy.copy(whole)
            ticket.config, ticket.tensors = copy.deepcopy(whole.config), dict(whole.tensors)
            if turn % 2:
                part = ticket.config
                if rng.random() < 0.8:
                    part = part[f"{rng.choice(['encoder', 'frontend', 'decoder', 'joint_network'])}_conf"]
                if part is ticket.config["encoder_conf"] and "body_conf" in part and turn % 4 == 1:
                    part = part["body_conf"][0]
                part[str(rng.choice([*part, "activation"]))] = EVIL[rng.integers(len(EVIL))]
            else:
                name = names[rng.integers(len(names))]
                data = reshaped(ticket.tensors[name].data, rng)
                ticket.tensors[name] = Tensor("float32", np.ascontiguousarray(data))
            attempt(ticket)


def test_hostile_values(backend):
    for value in (np.nan, np.inf, -np.inf, 3e38, 1e-45):
        for encoder in CONFIGS:
            ticket = make(encoder)
            for name, tensor in ticket.tensors.items():
                ticket.tensors[name] = Tensor("float32", np.full_like(tensor.data, value))
            attempt(ticket)
