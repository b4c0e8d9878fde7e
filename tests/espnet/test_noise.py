"""Noise mixed in while training: the same whatever the workers and the kills; stock ESPnet decodes the model."""

import argparse
import subprocess
import sys

import numpy as np
import pytest
import soundfile
import yaml

from audio_lottery.bin import cli, find
from audio_lottery.espnet import noise
from audio_lottery.espnet.command import parse
from audio_lottery.espnet.models import averaged_model_file
from audio_lottery.noise.mix import make_mixer
from audio_lottery.noise.split import split

SEARCH = ["--lottery_args", "--rounds 1 --rate 0.4"]


@pytest.fixture(scope="module")
def noises(tmp_path_factory):
    """A folder of ten half-second tones, each of its own frequency."""
    folder = tmp_path_factory.mktemp("noises")
    for i in range(10):
        tone = np.sin(2 * np.pi * 200 * (i + 1) * np.arange(4000) / 8000)
        soundfile.write(folder / f"{i}.wav", 0.1 * tone, 8000)
    return folder


def noisy(folder, *more) -> list[str]:
    return ["--asr_args", " ".join(["--train_noise", str(folder), "white", "--train_snr 0 20", *more])]


@pytest.fixture(scope="module")
def transducer(recipe, tmp_path_factory):
    """A configuration of the asr_transducer task with the recipe's front end."""
    config = yaml.safe_load(recipe.config.read_text())
    del config["encoder"]
    config |= {"encoder_conf": {"main_conf": {"pos_wise_act_type": "swish", "conv_mod_act_type": "swish"},
                                "input_conf": {"conv_size": 8, "subsampling_factor": 4},
                                "body_conf": [{"block_type": "conformer", "linear_size": 16, "hidden_size": 24,
                                               "heads": 2, "conv_mod_kernel_size": 7}]},
               "decoder": "stateless", "decoder_conf": {"embed_size": 8}, "model_conf": {"auxiliary_ctc_weight": 0.3},
               "joint_network_conf": {"joint_space_size": 12}, "max_epoch": 1}
    path = tmp_path_factory.mktemp("transducer") / "train.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def task_args(recipe, *more, config=None) -> argparse.Namespace:
    from audio_lottery.bin import recipe_options

    parser = argparse.ArgumentParser()
    recipe_options.add(parser)
    options = recipe_options.read(parser.parse_args(recipe.options(config)), str(recipe.stats))
    return parse(options.task, options.training("unused", more))


def batches(args, epoch: int, task: str = "asr") -> dict[str, np.ndarray]:
    """Utterance -> what the model hears in an epoch."""
    from espnet2.train.distributed_utils import DistributedOption

    from audio_lottery.espnet.tasks import get_task

    factory = get_task(task).build_iter_factory(args, DistributedOption(), "train")
    heard = {}
    for keys, batch in factory.build_iter(epoch):
        for key, speech, length in zip(keys, batch["speech"], batch["speech_lengths"], strict=True):
            heard[key] = speech[:length].numpy()
    return heard


def test_noise_is_that_of_utterance_and_epoch(recipe, noises):
    options = ("--train_noise", str(noises), "--train_snr", "0", "20", "--train_noise_prob", "0.5")
    clean = batches(task_args(recipe), 1)
    first, second = (batches(task_args(recipe, *options, "--num_workers", str(n)), 1) for n in (0, 2))
    mixer = make_mixer([str(noises)], [0, 20], "train", 0.5, seed=0)
    changed = 0
    for key, speech in clean.items():
        expected, mixed = mixer(key, speech, 8000, epoch=1)
        assert (first[key] == expected).all() and (second[key] == expected).all()
        if mixed:
            changed += 1
            assert split([path.name for path in noises.iterdir()])[mixed.noise] == "train"
    assert 0 < changed < len(clean)
    third = batches(task_args(recipe, *options), 2)
    assert any(not np.array_equal(third[key], first[key]) for key in clean)


def test_killed_noisy_training_ends_with_the_same_weights(recipe, noises, tmp_path, capsys, gate, same_search):
    """And stock ESPnet decodes the model from its config.yaml; another noise does not continue it."""
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    options = [*noisy(noises, "--train_noise_prob 0.8"), *SEARCH]
    assert cli.main(find, recipe.search(whole, *options)) == 0
    third = gate("*/round_00/checkpoint.previous.pth", 2)  # the third epoch begins
    process = recipe.spawn(killed, *options, env=third.environment)
    third.wait(process, lambda: process.stdout.read())
    process.kill()
    process.communicate()
    assert cli.main(find, recipe.search(killed, *options)) == 0
    same_search(whole, killed)
    round_0 = whole / "round_00"
    assert yaml.safe_load((round_0 / "config.yaml").read_text())["train_snr"] == [0.0, 20.0]
    subprocess.run(
        [sys.executable, "-m", "espnet2.bin.asr_inference", "--output_dir", tmp_path / "stock", "--asr_train_config",
         round_0 / "config.yaml", "--asr_model_file", averaged_model_file(round_0), "--ctc_weight", "1.0",
         "--beam_size", "1", "--data_path_and_name_and_type", f"{recipe.dump}/dev/wav.scp,speech,sound"],
        check=True, capture_output=True)
    assert len((tmp_path / "stock/1best_recog/text").read_text().splitlines()) == 6
    assert cli.main(find, recipe.search(whole, *noisy(noises), *SEARCH)) == 1
    assert "train_noise_prob" in capsys.readouterr().err


def test_a_transducer_hears_the_same_noise(recipe, noises, transducer, tmp_path, capsys):
    """The asr_transducer task: noise in its training set alone, and stock ESPnet's class decodes what was trained."""
    from espnet2.bin.asr_transducer_inference import Speech2Text

    options = ("--train_noise", str(noises), "--train_snr", "0", "20")
    clean = batches(task_args(recipe, config=transducer), 2, "asr_transducer")
    heard = batches(task_args(recipe, *options, config=transducer), 2, "asr_transducer")
    mixer = make_mixer([str(noises)], [0, 20], "train", 1, seed=0)
    for key, speech in clean.items():
        assert not np.array_equal(heard[key], speech)
        assert np.array_equal(heard[key], mixer(key, speech, 8000, epoch=2)[0])
    exp = tmp_path / "exp"
    assert cli.main(find, recipe.search(exp, *noisy(noises), *SEARCH, config=transducer)) == 0, capsys.readouterr().err
    folder = exp / "round_01"
    assert yaml.safe_load((folder / "config.yaml").read_text())["train_snr"] == [0.0, 20.0]
    decode = Speech2Text(str(folder / "config.yaml"), str(averaged_model_file(folder)), beam_size=1)
    assert decode.hypotheses_to_results(decode(next(iter(clean.values()))))


@pytest.mark.parametrize("options, message", [
    ("--train_noise FOLDER --train_snr 20 0", "turned round: write 0 20"),
    ("--train_noise FOLDER", "give --train_snr LOW HIGH"),
    ("--train_snr 0 20", "--train_snr: without noise"),
    ("--train_noise FOLDER --train_snr 0 20 --train_noise_prob 2", "probability of noise 2"),
    ("--train_noise EMPTY --train_snr 0 20", "no audio in this noise folder"),
    ("--train_noise nowhere --train_snr 0 20", "nowhere: no such noise folder"),
    ("--train_noise babble --train_snr 0 20", "whose voices is not said"),
    ("--train_noise FOLDER --train_snr 0 20 --max_cache_size 1G", "max_cache_size"),
    ("--train_noise FOLDER --train_snr 0 20 --iterator_type chunk", "iterator_type: chunk"),
    ("--train_noise FOLDER --train_snr 0 20 --input_size 20", "holds features"),
])
def test_bad_noise_is_refused_before_training(recipe, noises, tmp_path, capsys, options, message):
    (tmp_path / "empty").mkdir()
    words = options.replace("FOLDER", str(noises)).replace("EMPTY", str(tmp_path / "empty"))
    assert cli.main(find, recipe.search(tmp_path / "exp", "--asr_args", words)) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1, error
    assert not (tmp_path / "exp").exists()


def test_silence_stays_silent_and_several_channels_are_refused():
    from audio_lottery.errors import LotteryError

    preprocess = noise.NoisyPreprocessor(None, make_mixer(["white"], [5], "train"), 8000)
    assert not preprocess("a", {"speech": np.zeros(100, np.float32)})["speech"].any()
    with pytest.raises(LotteryError, match="a: has 2 channels"):
        preprocess("a", {"speech": np.ones((100, 2), np.float32)})
