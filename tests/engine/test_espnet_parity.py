"""The engine against ESPnet's own modules, with random pruned weights."""

import numpy as np
import pytest
import torch

from audio_lottery.errors import LotteryError
from audio_lottery.export import ticket_file

CONFORMER = {
    "output_size": 48, "attention_heads": 4, "linear_units": 96, "num_blocks": 3, "cnn_module_kernel": 15,
    "macaron_style": True, "use_cnn_module": True, "rel_pos_type": "latest", "input_layer": "conv2d",
    "pos_enc_layer_type": "rel_pos", "selfattention_layer_type": "rel_selfattn", "activation_type": "swish",
}  # fmt: skip
TRANSFORMER = {"output_size": 48, "attention_heads": 4, "linear_units": 96, "num_blocks": 3}
EBRANCHFORMER = {
    "output_size": 48, "attention_heads": 4, "cgmlp_linear_units": 80, "cgmlp_conv_kernel": 15, "use_ffn": True,
    "macaron_ffn": True, "linear_units": 96, "merge_conv_kernel": 7, "num_blocks": 2,
}  # fmt: skip
BRANCHFORMER = {"output_size": 48, "attention_heads": 4, "cgmlp_linear_units": 80, "cgmlp_conv_kernel": 15,
                "num_blocks": 2}  # fmt: skip
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
    "vgg, projected GRU": ("vgg_rnn", {"hidden_size": 40, "output_size": 24, "num_layers": 2, "rnn_type": "gru"}),
    "Deep Speech 2": ("ds2", {"hidden_size": 24, "num_layers": 2, "channels": 6}),
    "Deep Speech 2, GRU, one way, other strides": (
        "ds2", {"hidden_size": 19, "num_layers": 2, "rnn_type": "gru", "bidirectional": False, "channels": 5,
                "kernel_sizes": [[5, 7], [3, 5], [11, 3]], "strides": [[1, 2], [3, 2], [2, 1]]}),
    "E-Branchformer": ("e_branchformer", EBRANCHFORMER),
    "E-Branchformer, linear after, gate, no feed forward": (
        "e_branchformer", {**EBRANCHFORMER, "use_linear_after_conv": True, "gate_activation": "tanh",
                           "use_ffn": False}),
    "E-Branchformer, absolute positions, no macaron": (
        "e_branchformer", {**EBRANCHFORMER, "attention_layer_type": "selfattn", "pos_enc_layer_type": "abs_pos",
                           "macaron_ffn": False, "input_layer": "conv2d6"}),
    "Branchformer": ("branchformer", BRANCHFORMER),
    "Branchformer, linear after, gate, absolute positions": (
        "branchformer", {**BRANCHFORMER, "use_linear_after_conv": True, "gate_activation": "tanh",
                         "attention_layer_type": "selfattn", "pos_enc_layer_type": "abs_pos"}),
    "transformer, linear": ("transformer", {**TRANSFORMER, "input_layer": "linear"}),
    "transformer, conv2d8": ("transformer", {**TRANSFORMER, "input_layer": "conv2d8"}),
    "transformer, conv1d2": ("transformer", {**TRANSFORMER, "input_layer": "conv1d2"}),
    "E-Branchformer, conv1d1": ("e_branchformer", {**EBRANCHFORMER, "num_blocks": 1, "input_layer": "conv1d1"}),
    "E-Branchformer, conv1d3": ("e_branchformer", {**EBRANCHFORMER, "num_blocks": 1, "input_layer": "conv1d3"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_encoder_outputs(backend, case, make, sound):
    from audio_lottery.engine.recogniser import Recogniser

    model, ticket = make(*CASES[case])
    recogniser = Recogniser(ticket, threads=2)
    for seconds in (0.3, 1.0, 4.1):
        samples = torch.from_numpy(sound(seconds))[None]
        with torch.no_grad():
            want, lengths = model.encode(samples, torch.tensor([samples.shape[1]]))
            features, _ = model.frontend(samples, torch.tensor([samples.shape[1]]))
            probs = model.ctc.log_softmax(want)[0]
        assert int(lengths) == want.shape[1]
        ours = recogniser.encode(features[0].numpy())
        assert ours.shape == want[0].shape
        assert np.abs(ours - want[0].numpy()).max() < 1e-4
        log_probs = recogniser.outputs(recogniser.features(samples[0].numpy(), 16000))
        assert np.abs(log_probs.T - probs.numpy()).max() < 1e-3
        best = torch.unique_consecutive(probs.argmax(1))
        tokens = recogniser.transcribe(samples[0].numpy(), 16000)
        assert [token.id for token in tokens] == [int(t) for t in best if t]
    assert {name for name in recogniser.weights.used if name.startswith("encoder")} == {
        name for name in ticket.tensors if name.startswith("encoder") and not name.endswith("num_batches_tracked")
    }


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("int8", [False, True])
def test_a_batch_gives_what_each_gives_alone(backend, case, int8, make, sound):
    """Bit for bit, whatever lies beside an utterance; with two threads to rounding."""
    from audio_lottery.engine.recogniser import Recogniser

    _, ticket = make(*CASES[case])
    alone, together = Recogniser(ticket, int8=int8), Recogniser(ticket, int8=int8)
    threads = Recogniser(ticket, int8=int8, threads=2)
    utterances = [alone.features(sound(seconds, seed), 16000) for seed, seconds in enumerate((0.9, 0.3, 2.3, 0.35))]
    want = [alone.outputs(features) for features in utterances]
    together.run(*utterances)
    threads.run(*utterances)
    for i, outputs in enumerate(want):
        assert np.array_equal(together._read_outputs(i), outputs)
        assert np.abs(threads._read_outputs(i) - outputs).max() < 1e-4
    assert together.transcribe_batch(utterances) == [alone.transcribe_features(one) for one in utterances]


def test_features_are_espnets(engine, make, sound):
    from audio_lottery.engine.recogniser import Recogniser

    model, ticket = make("transformer", {**TRANSFORMER, "num_blocks": 1})
    recogniser = Recogniser(ticket)
    for seed, seconds in enumerate((0.1, 1.0, 2.5, 3.333)):
        samples = sound(seconds, seed)
        with torch.no_grad():
            want, _ = model.frontend(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
        ours = recogniser.features(samples, 16000)
        assert ours.shape == want[0].shape and np.abs(ours - want[0].numpy()).max() < 1e-4


def test_the_window_is_torchs():
    """To a unit in the last place; an exact window is three away, which real speech shows as 1e-4 in quiet bands."""
    from audio_lottery.engine.frontend import hann

    for length in (160, 200, 400, 512, 637):
        assert np.abs(hann(length) - torch.hann_window(length).numpy()).max() <= 2**-24


def test_int8_is_near(engine, make, sound):
    from audio_lottery.engine.recogniser import Recogniser

    model, ticket = make("conformer", CONFORMER)
    features = Recogniser(ticket).features(sound(2.0), 16000)
    exact, rounded = Recogniser(ticket).encode(features), Recogniser(ticket, int8=True).encode(features)
    error = np.abs(exact - rounded)
    assert 0 < error.mean() < 0.05 * np.abs(exact).mean()


@pytest.mark.parametrize("change, words", [
    ({"encoder": "longformer"}, "encoder: longformer"),
    ({"encoder": "branchformer", "encoder_conf": {**BRANCHFORMER, "merge_method": "learned_ave"}},
     "branchformer encoder with merge_method: learned_ave"),
    ({"encoder": "branchformer", "encoder_conf": {**BRANCHFORMER, "use_attn": False}}, "use_attn: False"),
    ({"encoder_conf": {**CONFORMER, "rel_pos_type": "legacy"}}, "rel_pos_type"),
    ({"encoder_conf": {**CONFORMER, "concat_after": True}}, "concat_after"),
    ({"frontend": "s3prl"}, "frontend: s3prl"),
    ({"preencoder": "linear"}, "preencoder: linear"),
    ({"encoder_conf": {**CONFORMER, "num_blocks": 4}}, "encoder.encoders.3.*not in this ticket"),
])  # fmt: skip
def test_what_the_engine_cannot_run(engine, change, words, make):
    from audio_lottery.engine.recogniser import Recogniser

    _, ticket = make("conformer", CONFORMER)
    ticket.config.update(change)
    with pytest.raises(LotteryError, match=f"{words}.*ONNX"):
        Recogniser(ticket)


def test_too_short(engine, make):
    from audio_lottery.engine.recogniser import Recogniser

    _, ticket = make("transformer", TRANSFORMER)
    recogniser = Recogniser(ticket)
    for samples in (np.zeros(10, np.float32), np.zeros(300, np.float32)):
        with pytest.raises(LotteryError, match="leave"):
            recogniser.transcribe(samples, 16000)


def test_packed_and_unpacked_espnet_loads_the_same_model(tmp_path, make, sound):
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
        "token_list": ticket.tokens, "model_conf": {"ctc_weight": 1.0}, "normalize": "global_mvn", "decoder": None,
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
    samples = sound(1.5)
    with torch.no_grad():
        want, _ = loaded.eval().encode(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
    recogniser = Recogniser.load(tmp_path / "a.ticket")
    assert np.abs(recogniser.encode(recogniser.features(samples, 16000)) - want[0].numpy()).max() < 1e-4
