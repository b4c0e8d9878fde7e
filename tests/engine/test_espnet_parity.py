"""The engine against ESPnet's own modules, with random pruned weights."""

import argparse

import numpy as np
import pytest
import torch

from audio_lottery.errors import LotteryError
from audio_lottery.export import ticket_file

pytest.importorskip("espnet2")
TOKENS = ["<blank>", "<unk>", *"abcdefghijklmnop", "<space>", "<sos/eos>"]
CONFORMER = {
    "output_size": 48, "attention_heads": 4, "linear_units": 96, "num_blocks": 3, "cnn_module_kernel": 15,
    "macaron_style": True, "use_cnn_module": True, "rel_pos_type": "latest", "input_layer": "conv2d",
    "pos_enc_layer_type": "rel_pos", "selfattention_layer_type": "rel_selfattn", "activation_type": "swish",
}  # fmt: skip
TRANSFORMER = {"output_size": 48, "attention_heads": 4, "linear_units": 96, "num_blocks": 3}
CASES = {
    "conformer": ("conformer", CONFORMER),
    "conformer, no macaron, no convolution": (
        "conformer", {**CONFORMER, "macaron_style": False, "use_cnn_module": False, "activation_type": "relu"}),
    "conformer, absolute positions, conv2d6": (
        "conformer", {**CONFORMER, "pos_enc_layer_type": "abs_pos", "selfattention_layer_type": "selfattn",
                      "input_layer": "conv2d6"}),
    "conformer, norm after, conv2d2": (
        "conformer", {**CONFORMER, "normalize_before": False, "input_layer": "conv2d2"}),
    "transformer": ("transformer", TRANSFORMER),
    "vgg, projected BLSTM": ("vgg_rnn", {"hidden_size": 40, "output_size": 24, "num_layers": 2}),
    "vgg, plain GRU": ("vgg_rnn", {"hidden_size": 33, "output_size": 24, "num_layers": 2, "rnn_type": "gru",
                                   "use_projection": False, "bidirectional": False}),
    "projected BGRU, frames left out": ("rnn", {"hidden_size": 20, "output_size": 24, "num_layers": 3,
                                                "rnn_type": "gru", "subsample": [2, 1, 2]}),
    "plain BLSTM": ("rnn", {"hidden_size": 50, "output_size": 24, "num_layers": 2, "use_projection": False}),
    "transformer, linear": ("transformer", {**TRANSFORMER, "input_layer": "linear"}),
    "transformer, conv2d8": ("transformer", {**TRANSFORMER, "input_layer": "conv2d8"}),
}  # fmt: skip


def make(encoder, conf, density=0.2, normalize="utterance_mvn"):
    """An ESPnet CTC model with random weights, pruned at random, and its ticket."""
    from espnet2.tasks.asr import ASRTask

    config = ASRTask.get_default_config()
    config |= {
        "token_list": TOKENS, "encoder": encoder, "encoder_conf": conf, "model_conf": {"ctc_weight": 1.0},
        "frontend_conf": {"fs": "16k", "hop_length": 160}, "normalize": normalize, "normalize_conf": {},
        "specaug": None, "token_type": "char", "decoder": None, "init": None,
    }  # fmt: skip
    torch.manual_seed(0)
    model = ASRTask.build_model(argparse.Namespace(**config)).eval()
    masks = {}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
            elif "encoder" in name and "depthwise" not in name and "pos_bias" not in name:
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


def speech(seconds, seed=0):
    """Noise through a moving filter: as wide a range of levels as speech has."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=int(16000 * seconds))
    envelope = np.abs(np.convolve(rng.normal(size=len(samples)), np.ones(800) / 800, "same"))
    return (np.convolve(samples, np.exp(-np.arange(60) / 8), "same") * envelope).astype(np.float32)


@pytest.mark.parametrize("case", CASES)
def test_encoder_outputs(backend, case):
    from audio_lottery.engine.recogniser import Recogniser

    model, ticket = make(*CASES[case])
    recogniser = Recogniser(ticket, threads=2)
    for seconds in (0.3, 1.0, 4.1):
        samples = torch.from_numpy(speech(seconds))[None]
        with torch.no_grad():
            want, lengths = model.encode(samples, torch.tensor([samples.shape[1]]))
            features, _ = model.frontend(samples, torch.tensor([samples.shape[1]]))
            probs = model.ctc.log_softmax(want)[0]
        assert int(lengths) == want.shape[1]
        ours = recogniser.encode(features[0].numpy())
        assert ours.shape == want[0].shape
        assert np.abs(ours - want[0].numpy()).max() < 1e-4
        log_probs = recogniser.log_probs(recogniser.features(samples[0].numpy(), 16000))
        assert np.abs(log_probs.T - probs.numpy()).max() < 1e-3
        best = torch.unique_consecutive(probs.argmax(1))
        tokens = recogniser.transcribe(samples[0].numpy(), 16000)
        assert [token.id for token in tokens] == [int(t) for t in best if t]
    assert {name for name in recogniser.weights.used if name.startswith("encoder")} == {
        name for name in ticket.tensors if name.startswith("encoder") and not name.endswith("num_batches_tracked")
    }


def test_features_are_espnets(engine):
    from audio_lottery.engine.recogniser import Recogniser

    model, ticket = make("transformer", {**TRANSFORMER, "num_blocks": 1})
    recogniser = Recogniser(ticket)
    for seed, seconds in enumerate((0.1, 1.0, 2.5, 3.333)):
        samples = speech(seconds, seed)
        with torch.no_grad():
            want, _ = model.frontend(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
        ours = recogniser.features(samples, 16000)
        assert ours.shape == want[0].shape and np.abs(ours - want[0].numpy()).max() < 1e-4


def test_int8_is_near(engine):
    from audio_lottery.engine.recogniser import Recogniser

    model, ticket = make("conformer", CONFORMER)
    features = Recogniser(ticket).features(speech(2.0), 16000)
    exact, rounded = Recogniser(ticket).encode(features), Recogniser(ticket, int8=True).encode(features)
    error = np.abs(exact - rounded)
    assert 0 < error.mean() < 0.05 * np.abs(exact).mean()


@pytest.mark.parametrize("change, words", [
    ({"encoder": "branchformer"}, "encoder: branchformer"),
    ({"encoder_conf": {**CONFORMER, "rel_pos_type": "legacy"}}, "rel_pos_type"),
    ({"encoder_conf": {**CONFORMER, "concat_after": True}}, "concat_after"),
    ({"frontend": "s3prl"}, "frontend: s3prl"),
    ({"preencoder": "linear"}, "preencoder: linear"),
    ({"encoder_conf": {**CONFORMER, "num_blocks": 4}}, "encoder.encoders.3.*not in this ticket"),
])  # fmt: skip
def test_what_the_engine_cannot_run(engine, change, words):
    from audio_lottery.engine.recogniser import Recogniser

    _, ticket = make("conformer", CONFORMER)
    ticket.config.update(change)
    with pytest.raises(LotteryError, match=f"{words}.*ONNX"):
        Recogniser(ticket)


def test_too_short(engine):
    from audio_lottery.engine.recogniser import Recogniser

    _, ticket = make("transformer", TRANSFORMER)
    recogniser = Recogniser(ticket)
    for samples in (np.zeros(10, np.float32), np.zeros(300, np.float32)):
        with pytest.raises(LotteryError, match="leave"):
            recogniser.transcribe(samples, 16000)


def test_packed_and_unpacked_espnet_loads_the_same_model(tmp_path):
    """A round's folder -> ticket -> folder, read by ESPnet's own loader; the engine agrees with both."""
    import yaml
    from espnet2.tasks.asr import ASRTask

    from audio_lottery.engine.recogniser import Recogniser
    from audio_lottery.export import folder
    from audio_lottery.mask import Mask

    size = 80
    stats = tmp_path / "feats_stats.npz"
    np.savez(stats, count=10, sum=np.full(size, -40.0, np.float32), sum_square=np.full(size, 400.0, np.float32))
    model, ticket = make("conformer", CONFORMER, normalize="utterance_mvn")
    config = ASRTask.get_default_config()
    config |= ticket.config | {
        "token_list": TOKENS, "model_conf": {"ctc_weight": 1.0}, "normalize": "global_mvn", "decoder": None,
        "normalize_conf": {"stats_file": str(stats)}, "specaug": None, "init": None, "version": "202611",
    }  # fmt: skip
    exp = tmp_path / "tag" / "round_01"
    exp.mkdir(parents=True)
    (exp / "config.yaml").write_text(yaml.safe_dump(config))
    mean, std = np.full(size, -4.0, np.float32), np.full(size, 24**0.5, np.float32)
    state = model.state_dict() | {"normalize.mean": torch.from_numpy(mean), "normalize.std": torch.from_numpy(std)}
    torch.save(state, exp / "valid.loss.ave.pth")
    masks = {name: torch.from_numpy(mask) for name, mask in ticket.masks.items()}
    Mask(masks).save(tmp_path / "tag" / "masks" / "round_01.safetensors")

    ticket_file.write(tmp_path / "a.ticket", folder.from_folder(exp))
    folder.to_folder(ticket_file.read(tmp_path / "a.ticket"), tmp_path / "out")
    stats.unlink()  # the folder stands on its own
    loaded, _ = ASRTask.build_model_from_file(tmp_path / "out" / "config.yaml", tmp_path / "out" / "model.pth")
    assert set(loaded.state_dict()) == set(state)
    assert all(value.equal(state[name]) for name, value in loaded.state_dict().items())
    samples = speech(1.5)
    with torch.no_grad():
        want, _ = loaded.eval().encode(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    recogniser = Recogniser.load(tmp_path / "a.ticket")
    assert np.abs(recogniser.encode(recogniser.features(samples, 16000)) - want[0].numpy()).max() < 1e-4
