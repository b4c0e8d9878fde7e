"""Every backbone through the same search, check and decoding, by its configuration alone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from audio_lottery.bin import check, cli, decode, find, macs
from audio_lottery.espnet.models import averaged_model_file
from audio_lottery.gates import GATES, split
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask

ATTENTION = {"output_size": 16, "attention_heads": 2, "linear_units": 24, "num_blocks": 1, "input_layer": "conv2d"}
DECODER = {"decoder": "transformer", "decoder_conf": {"attention_heads": 2, "linear_units": 24, "num_blocks": 1},
           "model_conf": {"ctc_weight": 0.3}}
TRANSDUCER = {"decoder": "rnn", "decoder_conf": {"embed_size": 8, "hidden_size": 12},
              "joint_network_conf": {"joint_space_size": 12}, "model_conf": {"auxiliary_ctc_weight": 0.3}}
RECURRENT = {"rnn_type": "lstm", "hidden_size": 8}
GRU = {"rnn_type": "gru", "bidirectional": False, "num_layers": 2, "hidden_size": 8}

# What replaces the Conformer's keys, and tensors that must be in scope.
BACKBONES = {
    "transformer": (
        {"encoder": "transformer", "encoder_conf": ATTENTION, **DECODER},
        ["encoder.encoders.0.self_attn.linear_q.weight", "decoder.decoders.0.src_attn.linear_k.weight"]),
    "e_branchformer": (
        {"encoder": "e_branchformer",
         "encoder_conf": {"output_size": 16, "attention_heads": 2, "cgmlp_linear_units": 24, "cgmlp_conv_kernel": 7,
                          "linear_units": 24, "num_blocks": 1, "merge_conv_kernel": 3, "rel_pos_type": "latest"}},
        ["encoder.encoders.0.depthwise_conv_fusion.weight"]),
    "vgg_lstm": (
        {"encoder": "vgg_rnn", "encoder_conf": {"rnn_type": "lstm", "bidirectional": True, "num_layers": 2,
                                                "hidden_size": 8, "output_size": 8}},
        ["encoder.enc.1.birnn0.weight_hh_l0", "encoder.enc.1.birnn1.weight_ih_l0_reverse"]),
    "ds2": (
        {"encoder": "ds2", "encoder_conf": {"channels": 4, "num_layers": 2, "bidirectional": True, **RECURRENT}},
        ["encoder.rnns.1.backward_rnn.weight_hh_l0"]),
    "vgg_gru": (
        {"encoder": "vgg_rnn", "encoder_conf": {**GRU, "output_size": 8}},
        ["encoder.enc.1.rnn0.weight_hh_l0", "encoder.enc.1.rnn1.weight_ih_l0"]),
    "ds2_gru": (
        {"encoder": "ds2", "encoder_conf": {"channels": 4, **GRU}},
        ["encoder.rnns.0.forward_rnn.weight_ih_l0", "encoder.rnns.1.forward_rnn.weight_hh_l0"]),
    "transducer_lstm": (
        {**TRANSDUCER, "encoder_conf": {"input_conf": {"vgg_like": True},
                                        "body_conf": [{"block_type": "rnn", "num_layers": 1, **RECURRENT}]}},
        ["joint_network.lin_enc.weight", "decoder.rnn.0.weight_hh_l0"]),
    "transducer_conformer": (
        {**TRANSDUCER, "encoder_conf": {
            "main_conf": {"pos_wise_act_type": "swish", "conv_mod_act_type": "swish"},
            "input_conf": {"block_type": "conv2d", "conv_size": 8, "subsampling_factor": 4},
            "body_conf": [{"block_type": "conformer", "linear_size": 16, "hidden_size": 24, "heads": 2,
                           "conv_mod_kernel_size": 7}]}},
        ["joint_network.lin_enc.weight"]),
    "transducer_stateless": (
        {**TRANSDUCER, "decoder": "stateless", "decoder_conf": {"embed_size": 8},
         "encoder_conf": {"input_conf": {"block_type": "conv2d", "conv_size": 8, "subsampling_factor": 4},
                          "body_conf": [{"block_type": "conformer", "linear_size": 16, "hidden_size": 24, "heads": 2,
                                         "conv_mod_kernel_size": 7}]}},
        ["joint_network.lin_dec.weight"]),
}
# Encoders that stock ESPnet does not have; those with a lottery preset of their own.
OURS = ("ds2", "ds2_gru", "transducer_lstm")
PRESETS = {"vgg_gru": "imp_gates", "ds2_gru": "imp_gates"}


@pytest.fixture(scope="module")
def decoded():
    """Stock command, set and our hypotheses of each backbone that was decoded."""
    return []


@pytest.mark.parametrize("name", BACKBONES)
def test_search_check_decode(recipe, tmp_path, repo_root, capsys, decoded, name):
    changed, in_scope = BACKBONES[name]
    config = yaml.safe_load(recipe.config.read_text()) | changed | {"max_epoch": 1}
    if "encoder" not in changed:  # ESPnet's transducer task has one encoder, configured by encoder_conf
        del config["encoder"]
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(config))
    exp = tmp_path / "exp"
    arguments = recipe.search(exp, config=path)
    arguments[arguments.index("--lottery_args") + 1] += " --rounds 1"
    if name in PRESETS:
        arguments += ["--lottery_conf", str(repo_root / f"conf/lottery/{PRESETS[name]}.yaml")]
    assert cli.main(find, arguments) == 0, capsys.readouterr().err
    mask = Mask.load(Layout(exp).mask(1))
    assert set(in_scope) <= set(mask), list(mask)
    assert cli.main(check, [str(exp)]) == 0, capsys.readouterr().err
    row = Ledger(exp).get(1)
    assert 0.59 < row["density_scope"] < 0.61 and row["macs"]["sparse"] < row["macs"]["dense"]
    capsys.readouterr()
    assert cli.main(macs, [str(exp), "--seconds", "10", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["lengths"] == [row["macs"]]
    if name in PRESETS:
        kept = split(mask, {one: tuple(f"{one}.{gate}" for gate in GATES["gru"]) for one in mask if "weight_" in one})
        assert all(abs(int(gate.sum()) - 0.6 * gate.numel()) <= 1 for gate in kept.values())
    inference = tmp_path / "decode_tiny.yaml"
    transducer = {"beam_search_config": {"search_type": "default"}, "beam_size": 1}
    inference.write_text(yaml.safe_dump(transducer if "transducer" in name else
                                        {"beam_size": 1, "ctc_weight": config["model_conf"]["ctc_weight"],
                                         "maxlenratio": 0.2}))
    command = [str(exp), "--inference_config", str(inference), "--data", str(recipe.dump), "--sets", "test",
               "--rounds", "1"]
    assert cli.main(decode, command) == 0, capsys.readouterr().err
    assert cli.main(decode, [*command, "--merge"]) == 0, capsys.readouterr().err
    assert len((exp / "round_01/decode_tiny/test/token").read_text().splitlines()) == 6
    if name not in OURS:
        folder, task = exp / "round_01", "asr_transducer" if "transducer" in name else "asr"
        stock = ["--config", str(inference), "--output_dir", str(tmp_path / "stock"), "--asr_train_config",
                 str(folder / "config.yaml"), "--asr_model_file", str(averaged_model_file(folder)),
                 "--data_path_and_name_and_type", f"{recipe.dump}/test/wav.scp,speech,sound"]
        decoded.append((f"espnet2.bin.{task}_inference", stock, str(tmp_path / "stock"), str(folder)))


def test_stock_inference_gives_the_same_texts(decoded):
    """Invariant 1 of each backbone that stock ESPnet knows, by its commands in a process without this toolkit."""
    if not decoded:
        pytest.skip("no backbone was decoded in this run")
    program = ("import importlib, json, sys\n"
               "for module, command, *_ in json.load(sys.stdin): importlib.import_module(module).main(command)\n"
               "assert not any(name.startswith('audio_lottery') for name in sys.modules)\n")
    subprocess.run([sys.executable, "-c", program], input=json.dumps(decoded), text=True, check=True,
                   capture_output=True)
    for *_, stock, ours in decoded:
        for table in ("token", "score"):
            lines = (Path(stock) / "1best_recog" / table).read_text().splitlines()
            assert sorted(lines) == (Path(ours) / "decode_tiny/test" / table).read_text().splitlines(), ours
