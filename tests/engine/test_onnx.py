"""ONNX files of random pruned models: onnxruntime gives the text that the engine and ESPnet give."""

import importlib.util
import json

import numpy as np
import pytest

from audio_lottery.bin import cli, export_onnx
from audio_lottery.engine import ctc
from audio_lottery.engine.recogniser import Recogniser
from audio_lottery.errors import LotteryError
from audio_lottery.export import ticket_file

pytest.importorskip("onnx", reason="the package onnx is not installed (audio-lottery[onnx])")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed (audio-lottery[onnx])")

SMALL = {"output_size": 48, "attention_heads": 4, "linear_units": 96, "num_blocks": 2}
CONFORMER = {**SMALL, "macaron_style": True, "cnn_module_kernel": 15, "rel_pos_type": "latest"}
ENCODERS = {
    "conformer": CONFORMER,
    "transformer": SMALL,
    "e_branchformer": {**SMALL, "cgmlp_linear_units": 80, "use_ffn": True, "macaron_ffn": True},
    "ds2": {"hidden_size": 24, "num_layers": 2, "channels": 6},
    "vgg_rnn": {"hidden_size": 20, "output_size": 24, "num_layers": 2, "rnn_type": "gru", "use_projection": False},
    "rnn": {"hidden_size": 20, "output_size": 24, "num_layers": 3, "subsample": [2, 1, 2]},
}
BLOCK = {"block_type": "conformer", "num_blocks": 2, "hidden_size": 32, "linear_size": 64, "conv_mod_kernel_size": 15}
TRANSDUCERS = {
    "Conformer, LSTM": ({"body_conf": [BLOCK]}, "rnn", {"embed_size": 16, "hidden_size": 24, "num_layers": 2}),
    "BLSTM, stateless": ({"input_conf": {"conv_size": 8}, "body_conf": [
        {"block_type": "rnn", "num_layers": 2, "hidden_size": 20}]}, "stateless", {"embed_size": 18}),
    "Conformer, GRU": ({"body_conf": [BLOCK]}, "rnn", {"embed_size": 16, "hidden_size": 24, "rnn_type": "gru"}),
}  # fmt: skip


def session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def export(model, folder, sparse=False):
    from audio_lottery.export import onnx_files

    return onnx_files.export(model, 80, folder, sparse)


@pytest.mark.parametrize("kind", ENCODERS)
def test_the_same_text(engine, kind, make, sound, tmp_path):
    model, ticket = make(kind, ENCODERS[kind], density=0.1)
    recogniser = Recogniser(ticket)
    dense, sparse = export(model, tmp_path / "dense"), export(model, tmp_path / "sparse", True)
    assert dense["encoder.onnx"]["difference"] < 1e-5
    parameters = sum(4 * parameter.numel() for parameter in model.parameters())
    assert dense["encoder.onnx"]["bytes"] < 1.2 * parameters + 100_000  # no table of positions
    saved = dense["encoder.onnx"]["bytes"] - sparse["encoder.onnx"]["bytes"]
    assert saved > 2 * sum(mask.size for mask in ticket.masks.values())  # of 4 bytes a weight
    for folder in ("dense", "sparse"):
        run = session(tmp_path / folder / "encoder.onnx").run
        for seconds in (0.9, 3.1):
            samples = sound(seconds)
            features = recogniser.features(samples, 16000)
            encoded, log_probs = run(None, {"features": features[None]})
            assert np.abs(encoded[0] - recogniser.encode(features)).max() < 1e-4
            greedy = ctc.Greedy()
            greedy.advance(log_probs[0].T)
            assert [t.id for t in greedy.tokens()] == [t.id for t in recogniser.transcribe(samples, 16000)]


@pytest.mark.parametrize("name", TRANSDUCERS)
def test_the_same_text_of_transducers(engine, name, transducer, sound, tmp_path):
    model, ticket = transducer(*TRANSDUCERS[name], blank=0.5)
    export(model, tmp_path, sparse=True)
    encoder, prediction, joint = (session(tmp_path / f"{part}.onnx") for part in ("encoder", "prediction", "joint"))
    recogniser = Recogniser(ticket)
    samples = sound(1.5)
    (encoded,) = encoder.run(None, {"features": recogniser.features(samples, 16000)[None]})
    names = [entry.name for entry in prediction.get_inputs()[1:]]
    state = [np.zeros(entry.shape, np.float32) for entry in prediction.get_inputs()[1:]]

    def predict(token, state):
        inputs = dict(zip(names, state, strict=True)) | {"token": np.array([[token]])}
        out, *after = prediction.run(None, inputs)
        return out, after

    ids, (out, state) = [], predict(0, state)
    for frame in encoded[0]:
        for _ in range(10):
            token = int(joint.run(None, {"frame": frame[None], "prediction": out})[0].argmax())
            if token == 0:
                break
            ids.append(token)
            out, state = predict(token, state)
    assert ids == [token.id for token in recogniser.transcribe(samples, 16000)]


def test_models_that_the_engine_cannot_run(make, tmp_path):
    """An encoder it does not have, and an attention decoder."""
    import torch

    conf = {"output_size": 48, "attention_heads": 4, "cgmlp_linear_units": 64, "num_blocks": 1,
            "merge_method": "learned_ave"}  # fmt: skip
    model, _ = make("branchformer", conf, decoder="transformer")
    files = export(model, tmp_path)
    assert set(files) == {"encoder.onnx", "decoder.onnx"} and all(row["difference"] < 1e-5 for row in files.values())
    features, tokens = torch.randn(1, 90, 80), [2]
    encoded, _ = session(tmp_path / "encoder.onnx").run(None, {"features": features.numpy()})
    decoder = session(tmp_path / "decoder.onnx")
    with torch.no_grad():
        memory, _ = model.encoder(*model.normalize(features, torch.tensor([90])))[:2]
        for _ in range(6):
            (ours,) = decoder.run(None, {"encoded": encoded, "tokens": np.array([tokens])})
            mask = torch.ones(1, len(tokens), len(tokens)).tril().bool()
            want, _ = model.decoder.forward_one_step(torch.tensor([tokens]), mask, memory)
            assert ours.argmax() == int(want.argmax()) and np.abs(ours - want.numpy()).max() < 1e-3
            tokens.append(int(ours.argmax()))


def test_from_a_ticket_file(make, tmp_path, capsys):
    from espnet2.tasks.asr import ASRTask

    _, ticket = make("transformer", {**SMALL, "num_blocks": 1})
    ticket.config = ASRTask.get_default_config() | ticket.config | {
        "model_conf": {"ctc_weight": 1.0}, "decoder": None, "specaug": None, "init": None, "version": "202611",
    }  # fmt: skip
    ticket.config.pop("token_list", None)
    ticket_file.write(tmp_path / "a.ticket", ticket)
    argv = [str(tmp_path / "a.ticket"), str(tmp_path / "out"), "--sparse", "true"]
    assert cli.main(export_onnx, argv) == 0
    about = json.loads((tmp_path / "out" / "model.json").read_text())
    assert about["tokens"] == ticket.tokens and about["features"] == 80 and about["token_type"] == "char"
    assert about["files"]["encoder.onnx"]["bytes"] == (tmp_path / "out" / "encoder.onnx").stat().st_size
    assert cli.main(export_onnx, argv) == 1
    assert "not an empty folder" in capsys.readouterr().err


def test_without_the_packages_and_with_a_part_that_cannot_be_exported(make, tmp_path, monkeypatch):
    model, _ = make("transformer", {**SMALL, "num_blocks": 1})

    def fit(x):  # a trace keeps the number it saw
        return x[:, :, :48] * float(x.std())

    monkeypatch.setattr(type(model.encoder), "forward", lambda self, x, n, masks=None: (fit(x), n, None))
    with pytest.raises(LotteryError, match="encoder.onnx: .*ESPnet"):
        export(model, tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(LotteryError, match=r"audio-lottery\[onnx\]"):
        export(model, tmp_path)
