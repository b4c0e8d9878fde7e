"""Every backbone through the same search, check and decoding, by its configuration alone."""

import pytest
import yaml

from audio_lottery.bin import check, cli, decode, find
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask

ATTENTION = {"output_size": 16, "attention_heads": 2, "linear_units": 24, "num_blocks": 1, "input_layer": "conv2d"}
DECODER = {"decoder": "transformer", "decoder_conf": {"attention_heads": 2, "linear_units": 24, "num_blocks": 1},
           "model_conf": {"ctc_weight": 0.3}}
TRANSDUCER = {"decoder": "rnn", "decoder_conf": {"embed_size": 8, "hidden_size": 12},
              "joint_network_conf": {"joint_space_size": 12}, "model_conf": {"auxiliary_ctc_weight": 0.3}}
RECURRENT = {"rnn_type": "lstm", "hidden_size": 8}

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
}


@pytest.mark.parametrize("name", BACKBONES)
def test_search_check_decode(recipe, tmp_path, capsys, name):
    changed, in_scope = BACKBONES[name]
    config = yaml.safe_load(recipe.config.read_text()) | changed | {"max_epoch": 1}
    if "encoder" not in changed:  # ESPnet's transducer task has one encoder, configured by encoder_conf
        del config["encoder"]
    path = tmp_path / "train.yaml"
    path.write_text(yaml.safe_dump(config))
    exp = tmp_path / "exp"
    arguments = recipe.search(exp, config=path)
    arguments[arguments.index("--lottery_args") + 1] += " --rounds 1"
    assert cli.main(find, arguments) == 0, capsys.readouterr().err
    mask = Mask.load(Layout(exp).mask(1))
    assert set(in_scope) <= set(mask), list(mask)
    assert cli.main(check, [str(exp)]) == 0, capsys.readouterr().err
    row = Ledger(exp).get(1)
    assert 0.59 < row["density_scope"] < 0.61 and row["macs"]["sparse"] < row["macs"]["dense"]
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
