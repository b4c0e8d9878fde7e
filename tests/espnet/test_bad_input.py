"""Bad input to the commands that run ESPnet: one line, status 1, nothing half-written taken for whole."""

import importlib
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from audio_lottery.bin import cli
from audio_lottery.espnet import versions
from audio_lottery.espnet.command import Recipe
from audio_lottery.layout import Layout
from audio_lottery.mask import Mask

BAD_OPTION = "ESPnet refused the {} options: unrecognized arguments: --bad"


@pytest.fixture
def refused(capsys, tmp_path, monkeypatch):
    """Call a command that must fail with status 1 and one line on stderr; that line."""
    monkeypatch.chdir(tmp_path)

    def call(name: str, *arguments: object) -> str:
        capsys.readouterr()
        try:
            status = cli.main(importlib.import_module(f"audio_lottery.bin.{name}"), [str(one) for one in arguments])
        except SystemExit as ended:
            status = ended.code
        said = capsys.readouterr().err
        assert status == 1
        assert said.count("\n") == 1 and "Traceback" not in said, said
        assert said.startswith("audio-lottery ")
        return said

    return call


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
    ("train", ["--config", "latin.yaml"], "latin.yaml: not a YAML file in UTF-8"),
    ("asr_inference", ["--output_dir", "x", "--data_path_and_name_and_type", "x,speech,sound", "--bad"],
     BAD_OPTION.format("decoding")),
    ("asr_transducer_inference", ["--output_dir", "x", "--data_path_and_name_and_type", "x,speech,sound", "--bad"],
     BAD_OPTION.format("decoding")),
])
def test_options_that_espnet_refuses(refused, tmp_path, name, arguments, words):
    (tmp_path / "broken.yaml").write_text("seed: [1\nmax_epoch: 3\n")
    (tmp_path / "latin.yaml").write_bytes(b"optim: \xe9\n")
    assert words in refused(name, *arguments)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.yaml", "latin.yaml"]


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
    ("beam_size: 1\nngram_file: none.arpa\n", "output.1.log: ESPnet stopped"),
])
def test_decoding_configurations(refused, recipe, exp, tmp_path, content, words):
    (tmp_path / "decode.yaml").write_text(content)
    copy = tmp_path / "exp"
    shutil.copytree(exp, copy, symlinks=True)
    command = ["decode", copy, "--inference_config", "decode.yaml", "--data", recipe.dump, "--sets", "test"]
    assert words in refused(*command)
    assert "job 1 of 1 has not finished" in refused(*command, "--merge")
    assert not list(copy.glob("round_*/decode_decode/test/text"))


def test_another_espnet_or_python(refused, recipe, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(versions.importlib.metadata, "version", lambda name: "202402")
        assert "ESPnet 202402 is installed, 202611 is needed: run utils/setup.sh" in \
            refused("find", *recipe.search(tmp_path / "exp"))
    monkeypatch.setattr(versions.sys, "version_info", (3, 9, 1))
    assert "Python 3.9.1: ESPnet 202611 needs 3.12 or 3.13" in refused("find", *recipe.search(tmp_path / "exp"))
    assert not (tmp_path / "exp").exists()


def test_a_truncated_checkpoint_is_said_and_the_search_ends_the_same(recipe, exp, tmp_path, capfd, same_search):
    """Round 1 stopped in its last epoch while ESPnet wrote: the epoch before is gone on from."""
    from audio_lottery.bin import find

    folder = tmp_path / "exp"
    shutil.copytree(exp, folder, symlinks=True)
    shutil.rmtree(folder / "round_02")
    (folder / "masks/round_02.safetensors").unlink()
    rows = (folder / "rounds.jsonl").read_text().splitlines(keepends=True)
    (folder / "rounds.jsonl").write_text(rows[0])
    last = folder / "round_01"
    (last / "done.json").unlink()
    whole = (last / "checkpoint.pth").read_bytes()
    (last / "checkpoint.pth").write_bytes(whole[:len(whole) // 2])
    assert cli.main(find, recipe.search(folder)) == 0
    assert f"{last / 'checkpoint.pth'} is damaged (truncated write?)" in capfd.readouterr().err
    same_search(exp, folder)


# theta0; a checkpoint of round 0; one of round 1; what is written after the last epoch of round 2.
@pytest.mark.parametrize("size", [60, 150, 700, 1390])
def test_no_space_left_while_training(refused, recipe, exp, small_disk, size, same_search):
    folder = small_disk(size) / "exp"
    assert "No space left on device: free some, then start again" in refused("find", *recipe.search(folder))
    small_disk(65536, "remount")
    from audio_lottery.bin import find

    assert cli.main(find, recipe.search(folder)) == 0
    same_search(exp, folder)


def test_no_space_left_in_a_process_of_its_own(refused, recipe, small_disk):
    folder = small_disk(400) / "exp"
    assert "No space left on device" in refused("find", *recipe.search(folder, "--separate_rounds", "true"))


def test_no_space_left_for_a_mask_and_for_hypotheses(refused, recipe, exp, decode_config, small_disk):
    disk = small_disk(4)
    (disk / "full").write_bytes(bytes(4096))
    assert "No space left on device" in refused("prune", exp / "round_00", "--out", disk / "mask.safetensors")
    assert [path.name for path in disk.iterdir()] == ["full"]
    small_disk(65536, "remount")
    shutil.copytree(exp, disk / "exp", symlinks=True)
    with open(disk / "filler", "wb", buffering=0) as stream:
        small_disk(2048, "remount")
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            pass
    command = ["decode", disk / "exp", "--inference_config", decode_config, "--data", recipe.dump, "--sets", "test"]
    assert "No space left on device" in refused(*command)
    (disk / "filler").unlink()
    assert "has not finished" in refused(*command, "--merge")


def test_what_torch_says_of_a_full_disk_is_known(small_disk):
    from audio_lottery.fileio import no_space

    with pytest.raises((RuntimeError, OSError)) as caught:
        torch.save(torch.zeros(100000), small_disk(40) / "x.pth")
    assert no_space(caught.value)
    assert not no_space(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
