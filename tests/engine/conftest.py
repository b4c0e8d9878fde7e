"""The engine is built once; without a compiler its tests are skipped, and say so. Tickets of random models."""

import argparse

import numpy as np
import pytest

from audio_lottery.engine import build
from audio_lottery.export import ticket_file

TOKENS = ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"]
TRANSDUCER_TOKENS = ["<blank>", "<unk>", *"abcdefgh", "<space>", "<sos/eos>"]


@pytest.fixture(scope="session")
def engine():
    try:
        build.build()
    except build.BuildError as error:
        pytest.skip(f"the engine cannot be built here: {error}")


@pytest.fixture(params=["plain", "avx2", "avx512", "vnni"])
def isa(request, engine, monkeypatch):
    """Each instruction set that this processor runs."""
    from audio_lottery.engine import native

    monkeypatch.setenv("AUDIO_LOTTERY_ISA", request.param)
    if native.library().al_isa().decode() != request.param:
        pytest.skip(f"this processor has no {request.param}")
    return request.param


@pytest.fixture(params=["numpy", "plain", "avx2", "avx512", "vnni"])
def backend(request, engine, monkeypatch):
    """Each instruction set that this processor runs, and the numpy twin."""
    from audio_lottery.engine import native

    monkeypatch.setenv("AUDIO_LOTTERY_ISA", request.param)
    if request.param != "numpy" and native.library().al_isa().decode() != request.param:
        pytest.skip(f"this processor has no {request.param}")
    return request.param


def make_asr(encoder, conf, density=0.2, normalize="utterance_mvn", decoder=None):
    """An ESPnet CTC model with random weights, pruned at random, and its ticket."""
    import torch
    from espnet2.tasks.asr import ASRTask

    import audio_lottery.espnet.ds2_encoder  # noqa: F401 (makes the encoder known)

    config = ASRTask.get_default_config()
    config |= {
        "token_list": TOKENS, "encoder": encoder, "encoder_conf": conf,
        "model_conf": {"ctc_weight": 0.3 if decoder else 1.0},
        "frontend_conf": {"fs": "16k", "hop_length": 160}, "normalize": normalize, "normalize_conf": {},
        "specaug": None, "token_type": "char", "decoder": decoder, "init": None,
    }  # fmt: skip
    torch.manual_seed(0)
    model = ASRTask.build_model(argparse.Namespace(**config)).eval()
    masks = {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
            elif "encoder" in name and not any(word in name for word in ("depthwise", "pos_bias", "csgu.conv")):
                masks[name] = torch.rand_like(parameter) < density
                parameter.copy_(torch.where(masks[name], parameter / density**0.5, torch.zeros(())))
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_()
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
    plain = {key: value for key, value in config.items() if key in (
        "encoder", "encoder_conf", "frontend", "frontend_conf", "normalize", "normalize_conf", "token_type",
        "input_size", "preencoder", "postencoder")}  # fmt: skip
    return model, ticket_file.make(model.state_dict(), masks, plain, TOKENS)


def make_transducer(encoder_conf, decoder, decoder_conf, normalize=None, blank=1.0):
    """A model of the asr_transducer task with random weights, pruned at random, and its ticket."""
    import copy

    import torch

    from audio_lottery.espnet.transducer_task import ASRTransducerTask

    config = ASRTransducerTask.get_default_config()
    config |= {
        "token_list": TRANSDUCER_TOKENS, "encoder_conf": encoder_conf, "decoder": decoder, "decoder_conf": decoder_conf,
        "joint_network_conf": {"joint_space_size": 28}, "frontend_conf": {"fs": "16k", "hop_length": 160},
        "normalize": normalize, "normalize_conf": {}, "specaug": None, "token_type": "char", "init": None,
    }  # fmt: skip
    torch.manual_seed(1)
    model = ASRTransducerTask.build_model(argparse.Namespace(**copy.deepcopy(config))).eval()
    model.encoder.dynamic_chunk_training = False  # as ESPnet's own inference does
    masks = {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
            elif "depthwise" not in name and "pos_bias" not in name and "embed.weight" not in name:
                masks[name] = torch.rand_like(parameter) < 0.3
                parameter.copy_(torch.where(masks[name], parameter / 0.3**0.5, torch.zeros(())))
        model.joint_network.lin_enc.weight.mul_(4)  # lets the text depend on the audio
        model.joint_network.lin_out.bias[0] += blank
        for name, buffer in model.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_()
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2)
    keys = ("encoder_conf", "decoder", "decoder_conf", "joint_network_conf", "frontend", "frontend_conf", "normalize",
            "normalize_conf", "token_type", "input_size")  # fmt: skip
    return model, ticket_file.make(model.state_dict(), masks, {key: config[key] for key in keys}, TRANSDUCER_TOKENS)


def speech(seconds, seed=0):
    """Noise through a moving filter: as wide a range of levels as speech has."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=int(16000 * seconds))
    envelope = np.abs(np.convolve(rng.normal(size=len(samples)), np.ones(800) / 800, "same"))
    return (np.convolve(samples, np.exp(-np.arange(60) / 8), "same") * envelope).astype(np.float32)


@pytest.fixture(scope="session")
def make():
    """:func:`make_asr`; skipped without ESPnet."""
    pytest.importorskip("espnet2")
    return make_asr


@pytest.fixture(scope="session")
def transducer():
    """:func:`make_transducer`; skipped without ESPnet."""
    pytest.importorskip("espnet2")
    return make_transducer


@pytest.fixture(scope="session")
def sound():
    """:func:`speech`."""
    return speech
