"""audio-lottery macs, on a configuration and on a search's folder."""

import json

import pytest
import torch
import yaml

from audio_lottery.bin import cli, macs
from audio_lottery.mask import Mask

CONFIG = {
    "frontend": "default", "frontend_conf": {"fs": "8k", "n_fft": 256, "hop_length": 80, "n_mels": 20},
    "normalize": "utterance_mvn", "encoder": "transformer",
    "encoder_conf": {"output_size": 8, "attention_heads": 2, "linear_units": 16, "num_blocks": 1},
    "decoder": None, "model_conf": {"ctc_weight": 1.0},
}
TOKENS = ["<blank>", "<unk>", "one", "<sos/eos>"]
NAME = "encoder.encoders.0.feed_forward.w_1.weight"


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "tokens.txt").write_text("\n".join(TOKENS) + "\n")
    return path


def call(capsys, *argv) -> tuple[int, str, str]:
    status = cli.main(macs, [str(one) for one in argv])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_configuration(capsys, config, tmp_path):
    options = [config, "--token_list", tmp_path / "tokens.txt", "--seconds", 1, 2, 4]
    status, out, _ = call(capsys, *options, "--json", "--plot", tmp_path / "macs.png")
    found = json.loads(out)
    assert status == 0 and [one["seconds"] for one in found["lengths"]] == [1, 2, 4]
    short, middle, long = found["lengths"]
    assert short["dense"] < middle["dense"] < long["dense"]
    assert long["attention"] / middle["attention"] == pytest.approx(4, rel=0.1)  # quadratic
    assert long["encoder"]["dense"] / middle["encoder"]["dense"] == pytest.approx(2, rel=0.1)  # linear
    for one in found["lengths"]:
        assert one["dense"] == sum((one["frontend"], one["attention"], one["encoder"]["dense"], one["output"]["dense"]))
    weights = long["encoder"]["dense"] + long["output"]["dense"]
    assert sum(row["dense"] for row in found["by_module"]) == sum(row["dense"] for row in found["tensors"]) == weights
    assert all(row["density"] == 1 for row in found["by_module"])
    assert (tmp_path / "macs.png").read_bytes().startswith(b"\x89PNG")
    status, out, _ = call(capsys, *options)
    assert status == 0 and "encoder, attention" in out and "by module, at 4 s" in out and "decoder" not in out


def test_round_of_a_search(capsys, config, tmp_path):
    from audio_lottery.espnet.command import parse

    exp = tmp_path / "exp"
    (exp / "round_00").mkdir(parents=True)
    command = ["--config", str(config), "--output_dir", "unused", "--token_list", str(tmp_path / "tokens.txt")]
    options = vars(parse("asr", command)) | {"token_list": TOKENS}
    (exp / "round_00" / "config.yaml").write_text(yaml.safe_dump(options))
    (exp / "lottery.yaml").write_text("rounds: 1\n")
    Mask({NAME: torch.arange(128).reshape(16, 8) % 4 == 0}).save(exp / "masks" / "round_01.safetensors")
    status, out, err = call(capsys, exp, "--seconds", 1, "--json")
    assert status == 0, err
    found = json.loads(out)
    tensors = {row["name"]: row for row in found["tensors"]}
    assert found["round"] == 1 and tensors[NAME]["sparse"] * 4 == tensors[NAME]["dense"]
    dense = json.loads(call(capsys, exp, "--round", 0, "--seconds", 1, "--json")[1])
    saved = tensors[NAME]["dense"] - tensors[NAME]["sparse"]
    assert dense["lengths"][0]["sparse"] - found["lengths"][0]["sparse"] == saved


def test_bad_input(capsys, config, tmp_path):
    for argv, words in (((config, "--seconds", 0), "give positive numbers"),
                        ((config, "--text_tokens", 0), "give positive numbers"),
                        ((config, "--token_list", tmp_path / "tokens.txt", "--seconds", 0.01), "too short"),
                        ((tmp_path,), "not a search's folder"), ((config,), "names no tokens")):
        status, out, err = call(capsys, *argv)
        assert status == 1 and out == "" and err.count("\n") == 1 and words in err, err
