"""audio-lottery show, on a configuration, a mask and a search's folder."""

import json
import sys

import pytest
import torch
import yaml

from audio_lottery.bin import cli, show
from audio_lottery.mask import Mask

CONFIG = {
    "frontend": "default", "frontend_conf": {"fs": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 20},
    "normalize": "utterance_mvn", "encoder": "conformer",
    "encoder_conf": {"output_size": 8, "attention_heads": 2, "linear_units": 16, "num_blocks": 2,
                     "macaron_style": True, "use_cnn_module": True, "cnn_module_kernel": 3,
                     "rel_pos_type": "latest", "pos_enc_layer_type": "rel_pos",
                     "selfattention_layer_type": "rel_selfattn"},
    "decoder": None, "model_conf": {"ctc_weight": 1.0},
}


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "tokens.txt").write_text("<blank>\n<unk>\none\n<sos/eos>\n")
    return path


def call(capsys, *argv) -> tuple[int, str, str]:
    status = cli.main(show, [str(one) for one in argv])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_configuration(capsys, config):
    status, out, _ = call(capsys, config, "--token_list", config.parent / "tokens.txt", "--json")
    found = json.loads(out)
    assert status == 0 and found["unknown"] == {}
    assert {row["name"] for row in found["by_kind"]} == {
        "conv2d", "linear", "attention", "position", "conv1d_pointwise", "conv1d_depthwise"}
    assert {row["name"] for row in found["out_of_scope"]} == {"bias", "norm", "output"}
    parts = found["out_of_scope"] + [found["scope"]]
    assert sum(row["weights"] for row in parts) == found["whole"]["weights"]
    assert sum(row["share"] for row in parts) == pytest.approx(1)
    for section in ("by_kind", "by_module", "by_tensor"):
        assert sum(row["weights"] for row in found[section]) == found["scope"]["weights"]


def test_scope_options_and_text(capsys, config):
    tokens = config.parent / "tokens.txt"
    status, out, _ = call(capsys, config, "--token_list", tokens, "--exclude", "conv", r"encoders\.1\.",
                          "--output_layer", "true")
    assert status == 0 and "conv2d" not in out and "encoder.encoders.1" not in out
    assert "excluded" in out and "ctc.ctc_lo" in out and "whole model" in out and "ctc.ctc_lo.weight" not in out
    status, out, _ = call(capsys, config, "--token_list", tokens, "--tensors", "true")
    assert status == 0 and "encoder.encoders.1.feed_forward.w_2.weight" in out
    status, _, err = call(capsys, config, "--token_list", tokens, "--gates", "true")
    assert status == 1 and "no LSTM or GRU matrix is in scope" in err


def test_folder_of_a_search(capsys, config):
    exp = config.parent / "exp"
    (exp / "round_00").mkdir(parents=True)
    tokens = (config.parent / "tokens.txt").read_text().split()
    from audio_lottery.espnet.command import parse

    command = ["--config", str(config), "--output_dir", "unused"]
    command += ["--token_list", f"{config.parent}/tokens.txt"]
    options = vars(parse("asr", command)) | {"token_list": tokens}
    (exp / "round_00" / "config.yaml").write_text(yaml.safe_dump(options))
    (exp / "lottery.yaml").write_text("scope: {exclude: [embed]}\n")
    status, out, _ = call(capsys, exp, "--json")
    found = json.loads(out)
    assert status == 0 and found["round"] == 0 and found["scope"]["density"] == 1
    assert "encoder.embed" not in {row["name"] for row in found["by_module"]}
    name = "encoder.encoders.0.feed_forward.w_1.weight"
    for number in (1, 2, 10):
        half = torch.arange(16 * 8).reshape(16, 8) % 20 >= number
        Mask({name: half}).save(exp / "masks" / f"round_{number:02d}.safetensors")
    found = json.loads(call(capsys, exp, "--json")[1])
    assert found["round"] == 10 and found["scope"]["kept"] == int((torch.arange(128) % 20 >= 10).sum())
    assert json.loads(call(capsys, exp, "--round", 2, "--json")[1])["round"] == 2
    status, _, err = call(capsys, exp, "--round", 7)
    assert status == 1 and "round_07.safetensors: no such mask file" in err
    assert call(capsys, exp, "--include", "conv")[0] == 1


def test_mask(capsys, tmp_path):
    path = tmp_path / "m.safetensors"
    Mask({"a.b.weight": torch.tensor([True, False, False])}).save(path, {"round": "4"})
    status, out, _ = call(capsys, path, "--json")
    found = json.loads(out)
    assert status == 0 and found["whole"] is None and found["metadata"] == {"round": "4"}
    assert (found["scope"]["kept"], found["scope"]["weights"]) == (1, 3)
    assert "33.33%" in call(capsys, path)[1]


@pytest.mark.parametrize("content, words", [
    ("encoder: conformer\n", "names no tokens: give --token_list"),
    ("a: [1\n", "not valid YAML"),
    ("- a\n", "a mapping is expected"),
])
def test_bad_configurations(capsys, tmp_path, content, words):
    path = tmp_path / "c.yaml"
    path.write_text(content)
    status, out, err = call(capsys, path)
    assert status == 1 and out == "" and err.count("\n") == 1 and words in err and str(path) in err


def test_bad_sources(capsys, config, tmp_path):
    for argv, words in (
        ((tmp_path / "no.yaml",), "no.yaml"),
        ((tmp_path / "no.safetensors",), "no such mask file"),
        ((tmp_path,), "not a search's folder"),
        ((config, "--token_list", tmp_path / "no.txt"), "no.txt"),
        ((config, "--token_list", tmp_path / "tokens.txt", "--include", "("), "not a regular expression"),
        ((config, "--token_list", tmp_path / "tokens.txt", "--task", "x"), "unknown"),
    ):
        status, _, err = call(capsys, *argv)
        assert status == 1 and err.count("\n") == 1 and words in err, (argv, err)
    assert "Traceback" not in err and sys.exc_info() == (None, None, None)
