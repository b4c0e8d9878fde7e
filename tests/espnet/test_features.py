"""Filterbanks computed once: ESPnet's own to the bit, and a model trained from them is the model trained from audio."""

import kaldiio
import numpy as np
import pytest
import soundfile
import torch
import yaml
from espnet2.asr.frontend.default import DefaultFrontend

from audio_lottery.data import kaldi
from audio_lottery.data.features import Features, read_features
from audio_lottery.errors import LotteryError
from audio_lottery.espnet import command, features
from audio_lottery.fileio import read_jsonl


def audio_lottery(name, *arguments):
    import importlib

    from audio_lottery.bin import cli

    return cli.main(importlib.import_module(f"audio_lottery.bin.{name}"), [str(one) for one in arguments])


@pytest.fixture(scope="module")
def fbank(recipe, tmp_path_factory):
    """The tiny recipe's sets as features, one of them by two jobs."""
    folder = tmp_path_factory.mktemp("a corpus") / "fbank"
    for name, jobs in (("train", 2), ("dev", 1), ("test", 1)):
        assert audio_lottery("fbank", "--data", recipe.dump / name, "--out", folder / name, "--asr_config",
                             recipe.config, "--nj", jobs) == 0
    return folder


def test_features_are_those_of_espnets_front_end(recipe, fbank):
    front_end = DefaultFrontend(**yaml.safe_load(recipe.config.read_text())["frontend_conf"]).eval()
    data, scp = kaldi.DataDir.read(fbank / "train"), kaldiio.load_scp(str(fbank / "train/feats.scp"))
    counts = kaldi.read_table(fbank / "train/utt2num_frames")
    assert sorted(scp) == data.utterances and len(list((fbank / "train").glob("*.ark"))) == 2
    for utterance in data.utterances:
        speech = torch.from_numpy(soundfile.read(data.wav[utterance], dtype="float32")[0])
        expected = front_end(speech[None], torch.tensor([len(speech)]))[0][0].numpy()
        np.testing.assert_array_equal(scp[utterance], expected)
        assert counts[utterance] == str(len(expected))
    assert read_features(fbank / "train") == Features(size=20, hop=80, rate=8000)
    assert (fbank / "train/feats_dim").read_text() == "20\n"
    assert read_features(recipe.dump / "train") is None


def test_done_once_and_again_when_the_front_end_changes(recipe, fbank, tmp_path):
    assert not features.dump_features(recipe.dump / "dev", fbank / "dev", recipe.config)
    config = yaml.safe_load(recipe.config.read_text())
    config["frontend_conf"]["n_mels"] = 10
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(config))
    assert features.dump_features(recipe.dump / "dev", tmp_path / "dev", recipe.config)
    assert features.dump_features(recipe.dump / "dev", tmp_path / "dev", other)
    assert (tmp_path / "dev/feats_dim").read_text() == "10\n"


@pytest.mark.parametrize("change, message", [
    ({"frontend_conf": {"fs": 16000}}, "8000 Hz, the configuration's front end takes 16000: give another --fs"),
    ({"frontend": "sliding_window"}, "frontend sliding_window: only the default front end"),
    ({"frontend_conf": {"no_such": 1}}, "frontend_conf: ESPnet refuses it"),
])
def test_what_cannot_be_computed_is_one_line(recipe, tmp_path, change, message):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(change))
    with pytest.raises(LotteryError, match=message):
        features.dump_features(recipe.dump / "dev", tmp_path / "dev", config)
    assert not (tmp_path / "dev").exists()


def test_audio_and_features_do_not_mix(recipe, fbank):
    mixed = command.Recipe("asr", str(recipe.config), str(fbank / "train"), str(recipe.dump / "dev"), "stats", "word",
                           str(recipe.folder / "tokens/tokens.txt"))
    with pytest.raises(LotteryError, match="one holds audio, the other features"):
        mixed.data_options()


def test_a_batch_holds_as_much_speech_as_from_audio(recipe, fbank):
    made = command.Recipe("asr", str(recipe.config), str(fbank / "train"), str(fbank / "dev"), "stats", "word",
                          str(recipe.folder / "tokens/tokens.txt"), asr_args=("--batch_bins", "7"))
    words = made.training("out")
    assert [words[i + 1] for i, word in enumerate(words) if word == "--batch_bins"] == ["20000", "7"]
    assert words[words.index("--input_size") + 1] == "20"


@pytest.fixture(scope="module")
def trained(recipe, fbank, tmp_path_factory):
    """A training step of one utterance, nothing drawn at random but the weights, from audio and from features."""
    folder = tmp_path_factory.mktemp("trained")
    config = yaml.safe_load(recipe.config.read_text())
    config.update(specaug=None, batch_type="unsorted", batch_size=1, num_iters_per_epoch=1, max_epoch=1)
    config["encoder_conf"].update(dropout_rate=0.0, positional_dropout_rate=0.0, attention_dropout_rate=0.0)
    path = folder / "train.yaml"
    path.write_text(yaml.safe_dump(config))
    exps = {}
    for kind, dump in (("raw", recipe.dump), ("fbank", fbank)):
        options = ["--asr_config", path, "--train", dump / "train", "--valid", dump / "dev",
                   "--token_list", recipe.folder / "tokens/tokens.txt"]
        assert audio_lottery("stats", *options, "--out", folder / f"stats_{kind}") == 0
        exps[kind] = folder / kind
        assert audio_lottery("find", exps[kind], *options, "--stats", folder / f"stats_{kind}", "--lottery_args",
                             "--rounds 1", "--last_round", 0) == 0
    return exps


def test_a_step_from_features_is_a_step_from_audio(trained):
    losses, weights = {}, {}
    for kind, exp in trained.items():
        state = torch.load(exp / "round_00/checkpoint.pth", weights_only=True)
        stats = state["reporter"]["stats"][1]
        losses[kind] = stats["train"]["loss"], stats["valid"]["loss"]
        model = torch.load(exp / "round_00/1epoch.pth", weights_only=True)
        weights[kind] = {name: value for name, value in model.items() if not name.startswith("frontend.")}
    assert losses["raw"] == pytest.approx(losses["fbank"], rel=1e-5)
    assert weights["raw"].keys() == weights["fbank"].keys()
    for name, value in weights["raw"].items():
        torch.testing.assert_close(weights["fbank"][name], value, rtol=1e-3, atol=1e-5, msg=name)


def test_macs_are_counted_without_a_front_end(trained):
    macs = {kind: read_jsonl(exp / "rounds.jsonl")[0]["macs"] for kind, exp in trained.items()}
    assert macs["fbank"]["frontend"] == 0 < macs["raw"]["frontend"]
    assert abs(macs["fbank"]["frames"] - macs["raw"]["frames"]) <= 1


def test_decoding_from_features_as_an_espnet_recipe_has_them(trained, fbank, tmp_path):
    """Without wav.scp and without this toolkit's own files."""
    bare = tmp_path / "dump/test"
    bare.mkdir(parents=True)
    for name in ("feats.scp", "feats_type", "feats_dim", "text", "utt2spk"):
        (bare / name).write_bytes((fbank / "test" / name).read_bytes())
    config = tmp_path / "decode_ctc.yaml"
    config.write_text("beam_size: 1\nctc_weight: 1.0\n")
    for step in ([], ["--merge"]):
        assert audio_lottery("decode", trained["fbank"], "--inference_config", config, "--data", bare.parent,
                             "--sets", "test", *step) == 0
    text = (trained["fbank"] / "round_00/decode_ctc/test/text").read_text().splitlines()
    assert [line.split()[0] for line in text] == kaldi.DataDir.read(fbank / "test").utterances


def test_a_ticket_trained_from_features_takes_audio(trained, recipe, fbank, tmp_path):
    from espnet2.tasks.asr import ASRTask

    exp, ticket = trained["fbank"] / "round_00", tmp_path / "model.ticket"
    assert audio_lottery("pack", exp, ticket, "--values", "fp32") == 0
    assert audio_lottery("verify", ticket, "--model", next(exp.glob("valid.*.ave*.pth"))) == 0
    assert audio_lottery("unpack", ticket, tmp_path / "model") == 0
    data = kaldi.DataDir.read(fbank / "test")
    utterance = data.utterances[0]
    speech = torch.from_numpy(soundfile.read(data.wav[utterance], dtype="float32")[0])[None]
    frames = torch.from_numpy(kaldiio.load_scp(str(fbank / "test/feats.scp"))[utterance].copy())[None]
    outputs = []
    for folder, model, given in ((tmp_path / "model", "model.pth", speech), (exp, "1epoch.pth", frames)):
        model, _ = ASRTask.build_model_from_file(folder / "config.yaml", folder / model)
        with torch.no_grad():
            outputs.append(model.eval().encode(given, torch.tensor([given.shape[1]]))[0])
    torch.testing.assert_close(*outputs, rtol=0, atol=1e-5)


def test_features_made_anew_with_another_size_are_refused(trained, recipe, fbank, tmp_path):
    from audio_lottery.export.front_end import add_front_end

    config = yaml.safe_load((trained["fbank"] / "round_00/config.yaml").read_text())
    with pytest.raises(LotteryError, match="does not hold features of size 21"):
        add_front_end({**config, "input_size": 21}, {})
    kept = {**config, "train_data_path_and_name_and_type": [["elsewhere/feats.scp", "speech", "kaldi_ark"]]}
    assert add_front_end(kept, {}) == (kept, {}, {})
