"""MACs of whole ESPnet models, against torch's own counter."""

import math

import pytest
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

from audio_lottery.errors import LotteryError
from audio_lottery.metrics.macs import count_asr, front_end_macs
from audio_lottery.scope import EMBEDDING, classify

FRONTEND = {"fs": 8000, "n_fft": 256, "win_length": 200, "hop_length": 80, "n_mels": 40}
CONFORMER = {
    "output_size": 96, "attention_heads": 4, "linear_units": 384, "num_blocks": 4, "input_layer": "conv2d",
    "macaron_style": True, "use_cnn_module": True, "cnn_module_kernel": 15, "rel_pos_type": "latest",
    "pos_enc_layer_type": "rel_pos", "selfattention_layer_type": "rel_selfattn", "activation_type": "swish",
}
DECODER = {"decoder": "transformer", "model_conf": {"ctc_weight": 0.3},
           "decoder_conf": {"num_blocks": 2, "linear_units": 128, "attention_heads": 4}}
RECURRENT = {"hidden_size": 32, "num_layers": 2}
BACKBONES = {
    "conformer_ctc": {"encoder": "conformer", "encoder_conf": CONFORMER},
    "conformer_hybrid": {
        "encoder": "conformer", "encoder_conf": CONFORMER | {"num_blocks": 2}, **DECODER,
    },
    "transformer": {
        "encoder": "transformer", **DECODER,
        "encoder_conf": {"output_size": 64, "attention_heads": 4, "linear_units": 128, "num_blocks": 2},
    },
    "e_branchformer": {
        "encoder": "e_branchformer",
        "encoder_conf": {"output_size": 64, "attention_heads": 4, "cgmlp_linear_units": 128, "cgmlp_conv_kernel": 15,
                         "linear_units": 96, "num_blocks": 2, "merge_conv_kernel": 7, "rel_pos_type": "latest"},
    },
    "cnn_lstm": {
        "encoder": "vgg_rnn",
        "encoder_conf": {**RECURRENT, "bidirectional": True, "output_size": 48},
    },
    "cnn_gru": {
        "encoder": "vgg_rnn",
        "encoder_conf": {**RECURRENT, "rnn_type": "gru", "bidirectional": False, "output_size": 48},
    },
    "ds2": {"encoder": "ds2", "encoder_conf": {**RECURRENT, "channels": 8}},
    "ds2_gru": {"encoder": "ds2",
                "encoder_conf": {**RECURRENT, "channels": 8, "rnn_type": "gru", "bidirectional": False}},
}
TRANSDUCERS = {
    "transducer_lstm": {
        "encoder_conf": {"input_conf": {"vgg_like": True}, "body_conf": [{"block_type": "rnn", **RECURRENT}]},
        "decoder": "rnn", "decoder_conf": {"embed_size": 24, "hidden_size": 40, "num_layers": 2},
    },
    "transducer_conformer": {
        "encoder_conf": {"input_conf": {"block_type": "conv2d", "conv_size": 16, "subsampling_factor": 4},
                         "body_conf": [{"block_type": "conformer", "linear_size": 64, "hidden_size": 48, "heads": 2,
                                        "num_blocks": 2, "conv_mod_kernel_size": 15}]},
        "decoder": "stateless", "decoder_conf": {"embed_size": 24},
    },
}
ALL = [*BACKBONES, *TRANSDUCERS]
SECONDS, SAMPLES = 6.0, 48000


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Build an ESPnet model from a configuration."""
    pytest.importorskip("espnet2", reason="ESPnet is not installed")
    from espnet2.tasks.asr import ASRTask

    import audio_lottery.espnet.ds2_encoder  # noqa: F401
    from audio_lottery.espnet.transducer_task import ASRTransducerTask

    folder = tmp_path_factory.mktemp("models")

    def build(name: str) -> torch.nn.Module:
        config = {"frontend": "default", "frontend_conf": FRONTEND, "specaug": None, "decoder": None}
        config |= {"normalize": "utterance_mvn", "model_conf": {"ctc_weight": 1.0}, "token_type": "word"}
        if name in TRANSDUCERS:
            config |= {"joint_network_conf": {"joint_space_size": 36}, "model_conf": {"auxiliary_ctc_weight": 0.3}}
        task = ASRTransducerTask if name in TRANSDUCERS else ASRTask
        (folder / "config.yaml").write_text(yaml.safe_dump(config | (BACKBONES | TRANSDUCERS)[name]))
        tokens = ["<blank>", "<unk>", *(f"t{n}" for n in range(10)), "<sos/eos>"]
        (folder / "tokens.txt").write_text("\n".join(tokens) + "\n")
        arguments = ["--config", folder / "config.yaml", "--token_list", folder / "tokens.txt"]
        arguments += ["--output_dir", folder]
        return task.build_model(task.get_parser().parse_args(list(map(str, arguments))))

    return build


def counted(run) -> int:
    """MACs of a call by torch's counter, which sees the operators below ours (without oneDNN all of them)."""
    with torch.no_grad(), torch.backends.mkldnn.flags(enabled=False), FlopCounterMode(display=False) as flops:
        run()
    return flops.get_total_flops() // 2


def independent(model: torch.nn.Module) -> int:
    """MACs of encoder and CTC layer by torch's counter; it counts no FFT, but the mel matrix."""
    model.eval()
    frames = 1 + SAMPLES // FRONTEND["hop_length"]

    def run() -> None:
        encoded, _ = model.encode(torch.zeros(1, SAMPLES), torch.tensor([SAMPLES]))
        if hasattr(model, "ctc"):
            model.ctc.ctc_lo(encoded)

    return counted(run) - frames * (FRONTEND["n_fft"] // 2 + 1) * FRONTEND["n_mels"]


@pytest.mark.parametrize("name", ALL)
def test_dense_count_agrees_with_torchs_counter(build, name):
    model = build(name)
    macs = count_asr(model, SECONDS, FRONTEND["fs"])
    assert macs.dense - macs.frontend == pytest.approx(independent(model), rel=0.01)
    assert macs.sparse == pytest.approx(macs.dense, rel=1e-5)  # a drawn weight may be zero
    assert all("pos_bias" in tensor for tensor in macs.uncounted)
    kinds = classify(model)
    matrices = {key for key, p in model.named_parameters() if p.ndim > 1 and kinds[key] != EMBEDDING}
    matrices -= {"ctc_lin.weight"}  # a transducer's auxiliary CTC layer is for training only
    assert matrices == set(macs.tensors) | set(macs.uncounted)


@pytest.mark.parametrize("name", ["conformer_hybrid", "transformer"])
def test_attention_decoder_agrees_with_torchs_counter(build, name):
    model, tokens = build(name).eval(), 7
    decoder = count_asr(model, SECONDS, FRONTEND["fs"], tokens=tokens).decoder
    with torch.no_grad():
        encoded, lengths = model.encode(torch.zeros(1, SAMPLES), torch.tensor([SAMPLES]))
    labels = torch.ones(1, tokens, dtype=torch.long)
    passed = counted(lambda: model.decoder(encoded, lengths, labels, torch.tensor([tokens])))
    ours = decoder.utterance.dense + tokens * (decoder.token.dense + decoder.attention)
    assert ours == pytest.approx(passed, rel=0.01)


@pytest.mark.parametrize("name", TRANSDUCERS)
def test_transducer_decoder_agrees_with_torchs_counter(build, name):
    model = build(name).eval()
    macs = count_asr(model, SECONDS, FRONTEND["fs"])
    decoder, frames = macs.decoder, macs.frames
    joint, size = model.joint_network, model.encoder.output_size

    def joined(frames: int, tokens: int) -> int:
        predicted = torch.zeros(1, 1, tokens, joint.lin_dec.in_features)
        return counted(lambda: joint(torch.zeros(1, frames, 1, size), predicted))

    a_frame, a_token = joined(2, 1) - joined(1, 1), joined(1, 2) - joined(1, 1)
    predicted = counted(lambda: model.decoder(torch.ones(1, 8, dtype=torch.long))) // 8
    assert decoder.utterance.dense == pytest.approx(frames * a_frame, rel=0.01)
    assert decoder.token.dense == pytest.approx(predicted + a_token, rel=0.01)
    assert decoder.attention == 0


@pytest.mark.parametrize("name", ALL)
def test_sparse_count_scales_exactly_with_the_non_zeros(build, name):
    model = build(name)
    before = count_asr(model, SECONDS, FRONTEND["fs"])
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for n, parameter in enumerate(model.parameters()):
            if parameter.ndim > 1:
                parameter *= torch.rand(parameter.shape, generator=generator) < (n % 7) / 7
    after = count_asr(model, SECONDS, FRONTEND["fs"])
    parameters = dict(model.named_parameters())
    assert (after.dense, after.frontend, after.attention) == (before.dense, before.frontend, before.attention)
    for key, tensor in after.tensors.items():
        assert tensor.dense == before.tensors[key].dense
        assert tensor.sparse * tensor.numel == tensor.dense * int(parameters[key].count_nonzero())
    expected = sum(t.sparse for key, t in after.tensors.items() if not key.startswith(("decoder.", "joint_")))
    assert after.sparse == after.frontend + after.attention + expected < before.sparse


def test_decoder_is_apart_and_told_by_token_and_utterance(build):
    model = build("conformer_hybrid")
    macs = count_asr(model, SECONDS, FRONTEND["fs"], tokens=5)
    size, frames, blocks = 96, macs.frames, 2
    assert macs.decoder.utterance.dense == blocks * 2 * frames * size * size
    per_block = 4 * size * size + 2 * size * size + 2 * size * 128
    assert macs.decoder.token.dense == blocks * per_block + size * 13
    assert macs.decoder.attention == blocks * 2 * size * (5 + frames)
    assert macs.dense == count_asr(model, SECONDS, FRONTEND["fs"], tokens=9).dense
    values = macs.to_dict()
    assert values["decoder"]["token"]["dense"] == macs.decoder.token.dense
    assert values["dense"] == macs.dense


def test_count_is_a_function_of_length(build):
    model = build("conformer_ctc")
    short, double = (count_asr(model, seconds, FRONTEND["fs"]) for seconds in (5.0, 10.0))
    assert double.encoder.dense == pytest.approx(2 * short.encoder.dense, rel=0.02)
    assert double.attention == pytest.approx(4 * short.attention, rel=0.02)


def test_the_model_keeps_its_mode(build):
    model = build("conformer_ctc")
    model.train()
    model.encoder.encoders[0].eval()
    modes = [module.training for module in model.modules()]
    count_asr(model, 1.0, FRONTEND["fs"])
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())


def test_front_end_by_hand():
    assert front_end_macs(3, 256, 200, 40) == 3 * (200 + 256 * 8 + 2 * 129 + 129 * 40)
    assert front_end_macs(1, 512, 400, 80) == 400 + 512 * math.log2(512) + 2 * 257 + 257 * 80


class Features(torch.nn.Module):
    """A recogniser of features, as one trained on dumped filterbanks is."""

    frontend = normalize = preencoder = ctc = None

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(40, 8)

    def encoder(self, features, lengths):
        return self.layer(features), lengths, None


def test_a_model_without_front_end():
    macs = count_asr(Features(), 2.0, 16000, feature_size=40)
    assert (macs.dense, macs.frontend, macs.frames) == (200 * 320, 0, 200)
    with pytest.raises(LotteryError, match="give the size of its features"):
        count_asr(Features(), 2.0, 16000)


class Transducer(Features):
    """The parts of ESPnet's transducer that are counted."""

    def __init__(self):
        super().__init__()
        self.decoder = torch.nn.Sequential(torch.nn.Embedding(13, 16), torch.nn.Linear(16, 6))
        self.joint_network = torch.nn.Module()
        self.joint_network.lin_enc = torch.nn.Linear(8, 24)
        self.joint_network.lin_dec = torch.nn.Linear(6, 24)
        self.joint_network.lin_out = torch.nn.Linear(24, 13)


def test_a_transducer_joins_once_per_frame_and_per_token():
    macs = count_asr(Transducer(), 1.0, 16000, feature_size=40, tokens=4)
    assert macs.dense == 100 * 320
    assert macs.decoder.utterance.dense == 100 * (8 * 24 + 24 * 13)
    assert macs.decoder.token.dense == 16 * 6 + 6 * 24 + 24 * 13
