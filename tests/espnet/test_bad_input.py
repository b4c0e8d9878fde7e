"""Bad input to the commands that run ESPnet: one line, status 1, nothing half-written taken for whole."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from audio_lottery.errors import LotteryError
from audio_lottery.espnet import versions
from audio_lottery.espnet.command import Recipe
from audio_lottery.layout import Layout
from audio_lottery.mask import Mask

BAD_OPTION = "ESPnet refused the {} options: unrecognized arguments: --bad"


def changed(recipe, folder: Path, **changes) -> Path:
    path = folder / "changed.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(recipe.config.read_text()) | changes))
    return path


@pytest.mark.parametrize("name, arguments, words", [
    ("train", ["--output_dir", "x", "--token_list", "x", "--bad"], BAD_OPTION.format("training")),
    ("train", [], "the following arguments are required: --output_dir, --token_list"),
    ("train", ["--task", "other"], "--task other: unknown"),
    ("train", ["--config", "none.yaml"], "No such file: none.yaml"),
    ("train", ["--config", "broken.yaml"], "broken.yaml:2: not valid YAML"),
    ("train", ["--config", "latin.yaml"], "latin.yaml: not UTF-8 at byte 7"),
    ("train", ["--config", "bomb.yaml"], "bomb.yaml:1: its aliases (*name) stand for more than"),
    ("train", ["--output_dir", "x", "--token_list", "x", "--optim_conf", "lr=[1"], "training options"),
    ("asr_inference", ["--output_dir", "x", "--data_path_and_name_and_type", "x,speech,sound", "--bad"],
     BAD_OPTION.format("decoding")),
    ("asr_transducer_inference", ["--output_dir", "x", "--data_path_and_name_and_type", "x,speech,sound", "--bad"],
     BAD_OPTION.format("decoding")),
])
def test_options_that_espnet_refuses(refused, tmp_path, name, arguments, words):
    (tmp_path / "broken.yaml").write_text("seed: [1\nmax_epoch: 3\n")
    (tmp_path / "latin.yaml").write_bytes(b"optim: \xe9\n")
    bomb(tmp_path / "bomb.yaml")
    assert words in refused(name, *arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bomb.yaml", "broken.yaml", "latin.yaml"]


def bomb(path: Path) -> None:
    """A mapping of ten lines that stands for 10^10 values."""
    path.write_text("a0: &a0 x\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 11)))


@pytest.mark.parametrize("content, words", [
    (None, "its aliases"), ("[" * 3000, "too deep"), ("seed: [1\n", "not valid YAML"),
    ("encoder_conf: {body_conf: 2001-99-99}\n", "not valid YAML"), ("", "a mapping is expected")])
def test_a_transducers_configuration_from_elsewhere(refused, tmp_path, content, words):
    """Of a model that was downloaded: read by the bounded reader, by the command and by the class."""
    from audio_lottery.espnet.transducer_inference import Speech2Text

    config = tmp_path / "config.yaml"
    config.write_text(content) if content is not None else bomb(config)
    said = refused("asr_transducer_inference", "--output_dir", "out", "--data_path_and_name_and_type",
                   "wav.scp,speech,sound", "--asr_model_file", "model.pth", "--asr_train_config", config)
    assert str(config) in said and re.search(words, said)
    with pytest.raises(LotteryError, match=words):
        Speech2Text(None, tmp_path / "model.pth")


@pytest.mark.parametrize("heads, words", [
    ("3", "encoder_conf: attention_heads: 16 does not divide by 3 heads: take 2"),
    ("0", "encoder_conf: attention_heads: 16 does not divide by 0 heads: take 1"),
    ("30", "encoder_conf: attention_heads: 16 does not divide by 30 heads: take 16")])
def test_head_counts_that_do_not_divide(refused, recipe, tmp_path, heads, words):
    more = ["--asr_args", f"--encoder_conf attention_heads={heads}"]
    assert words in refused("find", *recipe.search(tmp_path / "exp", *more))
    assert not (tmp_path / "exp").exists()


@pytest.mark.parametrize("more, words", [
    (["--asr_args", "--bad 3"], BAD_OPTION.format("training")),
    (["--asr_args", "--optim 'sgd"], "No closing quotation"),
    (["--asr_args", "--max_epoch many"], "--max_epoch: invalid int value: 'many'"),
    (["--ngpu", "-1"], "a whole number from 0 expected"),
    (["--last_round", "-1"], "a whole number from 0 expected"),
    (["--stats", "none"], "none/train/speech_shape: not found: run stage 4"),
    (["--lottery_args", "--raet 0.3"], "unknown key raet: did you mean rate?"),
    (["--lottery_args", "--rate 1.5"], "rate: 1.5 is out of range"),
    (["--lottery_args", "--scope.include no_such_layer"], "'no_such_layer' matches no parameter"),
])
def test_options_of_a_search(refused, recipe, tmp_path, more, words):
    assert words in refused("find", *recipe.search(tmp_path / "exp", *more))
    assert not (tmp_path / "exp").exists()


@pytest.mark.parametrize("changes, words", [
    ({"encoder_conf": {"blocks": 3}}, "changed.yaml: ESPnet cannot build this model (TypeError: "),
    ({"optim_conf": {"speed": 3}}, "round_00/train.log: ESPnet stopped (TypeError: "),
    ({"scheduler": "other"}, "round_00/train.log: ESPnet stopped (ValueError: "),
    ({"grad_noise": True}, "changed.yaml: grad_noise: true: "),
])
def test_configurations_that_espnet_cannot_run(refused, recipe, tmp_path, changes, words):
    config = changed(recipe, tmp_path, **changes)
    assert words in refused("find", *recipe.search(tmp_path / "exp", config=config))
    assert Layout(tmp_path / "exp").finished() == []


def test_a_mask_that_does_not_fit(refused, recipe, exp, tmp_path):
    mask = dict(Mask.load(Layout(exp).mask(1)))
    first = next(iter(mask))
    mask[first] = mask[first][:-1]
    Mask(mask).save(tmp_path / "mask.safetensors")
    options = Recipe("asr", str(recipe.config), str(recipe.dump / "train"), str(recipe.dump / "dev"), str(recipe.stats),
                     "word", str(recipe.folder / "tokens/tokens.txt"))
    command = options.training("out", ["--ticket_mask", "mask.safetensors", "--ticket_init", str(Layout(exp).theta0)])
    assert f"{first}: the mask has shape" in refused("train", *command)
    assert not list((tmp_path / "out").glob("*.pth"))
    words = refused("prune", exp / "round_00", "--mask", tmp_path / "mask.safetensors", "--out", "new.safetensors")
    assert f"{first}: the mask has shape" in words
    assert not (tmp_path / "new.safetensors").exists()


@pytest.mark.parametrize("file, words", [
    ("none.pth", "none.pth: not found"),
    ("train.log", "train.log: not a model file of torch.save"),
    ("checkpoint.pth", "checkpoint.pth: has no encoder"),
    ("half.pth", "half.pth: damaged or not a model file"),
])
def test_model_files(refused, exp, tmp_path, file, words):
    folder = tmp_path / "round"
    shutil.copytree(exp / "round_00", folder, symlinks=True)
    whole = (folder / "3epoch.pth").read_bytes()
    (folder / "half.pth").write_bytes(whole[:len(whole) // 2])
    assert words in refused("prune", folder, "--model_file", file, "--out", "mask.safetensors")
    assert not (tmp_path / "mask.safetensors").exists()


@pytest.mark.parametrize("name", ["prune", "show"])
def test_not_an_experiment(refused, tmp_path, name):
    more = ["--out", "mask.safetensors"] if name == "prune" else []
    (tmp_path / "empty").mkdir()
    assert "empty" in refused(name, "empty", *more)


@pytest.mark.parametrize("content, words", [
    ("beam_sise: 3\n", "unrecognized arguments: beam_sise (from decode.yaml): mend decode.yaml"),
    ("beam_size: [\n", "decode.yaml:2: not valid YAML"),
    ("beam_size: 1\nngram_file: none.arpa\n", "none.arpa: no such language model"),
    ("beam_size: 1\nlm_train_config: none.yaml\nlm_file: none.pth\n", "output.1.log: ESPnet stopped"),
])
def test_decoding_configurations(refused, recipe, exp, tmp_path, content, words):
    (tmp_path / "decode.yaml").write_text(content)
    copy = tmp_path / "exp"
    shutil.copytree(exp, copy, symlinks=True)
    command = ["decode", copy, "--inference_config", "decode.yaml", "--data", recipe.dump, "--sets", "test"]
    assert words in refused(*command)
    merged = refused(*command, "--merge")
    assert "job 1 of 1 has not finished" in merged or words in merged
    assert not list(copy.glob("round_*/decode_decode/test/text"))


def test_another_espnet_or_python(refused, recipe, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(versions.importlib.metadata, "version", lambda name: "202402")
        assert "ESPnet 202402 is installed, 202611 is needed: run utils/setup.sh" in \
            refused("find", *recipe.search(tmp_path / "exp"))
    monkeypatch.setattr(versions.sys, "version_info", (3, 9, 1))
    assert "Python 3.9.1: ESPnet 202611 needs 3.12 or 3.13" in refused("find", *recipe.search(tmp_path / "exp"))
    assert not (tmp_path / "exp").exists()
