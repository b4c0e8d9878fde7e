"""A search inside a stock ESPnet recipe: on folders that ESPnet's own commands made, laid out as its asr.sh does.

Audio: mini_an4. The steps are those of ESPnet's egs2/TEMPLATE/asr1/asr.sh, stages 3, 5, 10 and 11.
"""

import importlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import soundfile
import torch
import yaml

from audio_lottery.data import kaldi
from audio_lottery.errors import LotteryError
from audio_lottery.espnet.backend import EspnetBackend
from audio_lottery.espnet.command import Recipe, need_speech, speech_data
from audio_lottery.espnet.espnet_exp import Experiment
from audio_lottery.fileio import read_jsonl
from audio_lottery.scope import ScopeConfig

TOKENS = "data/en_token_list/bpe_unigram30"
STATS = "exp/asr_stats_raw_en_bpe30"
EXP = "exp/asr_train_raw_en_bpe30"
TRAIN, VALID = "dump/raw/train_nodev", "dump/raw/train_dev"
MODEL = {
    "encoder": "transformer", "decoder": "transformer", "model_conf": {"ctc_weight": 0.3},
    "encoder_conf": {"output_size": 8, "attention_heads": 2, "linear_units": 8, "num_blocks": 1},
    "decoder_conf": {"attention_heads": 2, "linear_units": 8, "num_blocks": 1},
    "max_epoch": 1, "keep_nbest_models": 1, "batch_type": "folded", "batch_size": 2, "num_workers": 0,
    "best_model_criterion": [["valid", "acc", "max"]], "num_att_plot": 0, "use_matplotlib": False,
}
# As asr.sh gives them, with its default of global normalisation.
TRAINING = ["--normalize", "global_mvn", "--normalize_conf", f"stats_file={STATS}/train/feats_stats.npz"]


def audio_lottery(name: str, *arguments: object) -> int:
    from audio_lottery.bin import cli

    return cli.main(importlib.import_module(f"audio_lottery.bin.{name}"), [str(one) for one in arguments])


def espnet(name: str, *arguments: object) -> None:
    importlib.import_module(f"espnet2.bin.{name}").main([str(one) for one in arguments])


def data_options(train: str, valid: str) -> list[str]:
    words = ["--use_preprocessor", "true", "--bpemodel", f"{TOKENS}/bpe.model", "--token_type", "bpe",
             "--token_list", f"{TOKENS}/tokens.txt", "--non_linguistic_symbols", "none", "--cleaner", "none",
             "--g2p", "none", "--config", "conf/train_asr.yaml", "--frontend_conf", "fs=16k"]
    for part, folder in (("train", train), ("valid", valid)):
        words += [f"--{part}_data_path_and_name_and_type", f"{folder}/wav.scp,speech,sound",
                  f"--{part}_data_path_and_name_and_type", f"{folder}/text,text,text"]
    return words


def dump(source: Path, name: str, org: bool) -> None:
    """asr.sh's stages 3 and 4: flac files below org/ for training sets, named relative to the recipe's folder."""
    data = kaldi.DataDir.read(source)
    made = Path("dump/raw/org" if org else "dump/raw") / name
    (made / "data/format.1").mkdir(parents=True)
    for utterance in data.utterances:
        samples, rate = soundfile.read(data.wav[utterance], dtype="int16")
        data.wav[utterance] = str(made / f"data/format.1/{utterance}.flac")
        soundfile.write(data.wav[utterance], samples, rate)
    for folder in {made, Path("dump/raw") / name}:
        data.write(folder)
        (folder / "feats_type").write_text("raw\n")


@pytest.fixture(scope="module")
def stock(corpora, tmp_path_factory):
    """The folder egs2/mini_an4/asr1 after ESPnet's stages 1 to 11, with a tiny model."""
    folder = tmp_path_factory.mktemp("espnet") / "egs2/mini_an4/asr1"
    folder.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert audio_lottery("prepare", "an4", "--mini", "--an4_root", corpora / "mini_an4/downloads.tar.gz") == 0
        for source, name in (("train", "train_nodev"), ("dev", "train_dev"), ("test", "test")):
            dump(Path("data") / source, name, org=name != "test")
        Path("conf").mkdir()
        Path("conf/train_asr.yaml").write_text(yaml.safe_dump(MODEL))
        # asr.sh calls spm_train, the same SentencePiece; a unigram model is its "bpe".
        assert audio_lottery("tokens", "--token_type", "unigram", "--nbpe", 30, "--text", f"{TRAIN}/text",
                             "--out", TOKENS) == 0
        espnet("asr_train", "--collect_stats", "true", *data_options(TRAIN, VALID), "--output_dir",
               f"{STATS}/logdir/stats.1", "--train_shape_file", f"{TRAIN}/wav.scp",
               "--valid_shape_file", f"{VALID}/wav.scp")
        espnet("aggregate_stats_dirs", "--input_dir", f"{STATS}/logdir/stats.1", "--output_dir", STATS)
        size = len(Path(f"{TOKENS}/tokens.txt").read_text().splitlines())
        shapes = []
        for part in ("train", "valid"):
            lines = Path(f"{STATS}/{part}/text_shape").read_text().splitlines()
            Path(f"{STATS}/{part}/text_shape.bpe").write_text("".join(f"{line},{size}\n" for line in lines))
            for shape in ("speech_shape", "text_shape.bpe"):
                shapes += [f"--{part}_shape_file", f"{STATS}/{part}/{shape}"]
        espnet("asr_train", *data_options(TRAIN, VALID), *TRAINING, *shapes, "--fold_length", "80000",
               "--fold_length", "150", "--output_dir", EXP, "--resume", "true", "--ngpu", "0")
    return folder


@pytest.fixture
def here(stock, monkeypatch):
    """In the recipe's folder, as ESPnet's users are."""
    monkeypatch.chdir(stock)
    return stock


def states(folder: Path) -> dict:
    return torch.load(folder / "1epoch.pth", weights_only=True)


def test_a_search_from_an_experiment_on_its_own_folders(here, tmp_path):
    exp = tmp_path / "tickets"
    assert audio_lottery("find", exp, "--espnet_exp", EXP, "--lottery_args", "--rounds 1 --rate 0.5") == 0
    espnets, dense = states(here / EXP), states(exp / "round_00")
    assert "normalize.mean" in dense and espnets.keys() == dense.keys()
    for name, value in espnets.items():
        assert torch.equal(value, dense[name]), f"{name}: the dense model is not the one ESPnet trained"
    config = tmp_path / "decode_ctc.yaml"
    config.write_text("beam_size: 1\nctc_weight: 1.0\n")
    sets = ["--sets", "test", "org/train_dev"]
    for step in ([], ["--merge"]):
        assert audio_lottery("decode", exp, "--inference_config", config, *sets, *step) == 0
    assert audio_lottery("score", exp, *sets, "--inference_tag", "ctc") == 0
    scores = read_jsonl(exp / "rounds.jsonl")[1]["scores"]["ctc"]
    assert {name: score["utterances"] for name, score in scores.items()} == {"test": 2, "org/train_dev": 1}
    # Given again it goes on, and finds all done.
    assert audio_lottery("find", exp, "--espnet_exp", EXP, "--lottery_args", "--rounds 1 --rate 0.5") == 0


def test_prepared_folders_by_name_are_the_same_training(here, tmp_path):
    recipe = Recipe("asr", "conf/train_asr.yaml", TRAIN, VALID, STATS, "bpe", f"{TOKENS}/tokens.txt",
                    f"{TOKENS}/bpe.model", asr_args=("--frontend_conf", "fs=16k"), normalize="global_mvn")
    named = json.loads(json.dumps(EspnetBackend(recipe, ScopeConfig()).settings()))  # lists, not tuples
    experiment = yaml.safe_load((here / EXP / "config.yaml").read_text())
    differing = {key for key, value in named.items() if key in experiment and experiment[key] != value}
    assert differing == {"token_list"}  # read from the file when the model is built
    assert (here / TOKENS / "tokens.txt").read_text().split() == experiment["token_list"]


def test_what_is_given_goes_before_the_experiment(here, tmp_path, capsys):
    exp = tmp_path / "tickets"
    assert audio_lottery("find", exp, "--espnet_exp", EXP, "--stats", "nowhere") == 1
    assert "nowhere/train/speech_shape: not found" in capsys.readouterr().err


def test_relative_paths_are_from_the_recipes_folder(stock, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert audio_lottery("find", "tickets", "--espnet_exp", stock / EXP) == 1
    assert f"{TRAIN}/wav.scp: not found" in capsys.readouterr().err
    with pytest.raises(LotteryError, match=r"wav.scp:1: dump/raw/org/.*flac: no such file seen from .*recipe's folder"):
        need_speech(stock / TRAIN)


@pytest.mark.parametrize("change, message", [
    ({"multiple_iterator": True}, "trained from splits of its training set"),
    ({"train_shape_file": []}, "names no statistics"),
    ({"token_list": None}, "holds no token list"),
    ({"train_data_path_and_name_and_type": [["dump/raw/t/wav.scp", "speech", "sound"],
                                            ["dump/raw/t/text", "text", "text"],
                                            ["dump/raw/t/prompt", "prompt", "text"]]}, "speech, text, prompt"),
    ({"train_data_path_and_name_and_type": [["splits8/wav.scp", "speech", "sound"],
                                            ["dump/raw/t/text", "text", "text"]]}, "of one folder: give --train"),
    ({"train_data_path_and_name_and_type": None}, "no data"),
])
def test_experiments_that_do_not_fit(stock, tmp_path, change, message):
    config = yaml.safe_load((stock / EXP / "config.yaml").read_text()) | change
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(LotteryError, match=message):
        experiment = Experiment.read(tmp_path)
        experiment.data("train")
        experiment.stats()


def test_no_experiment_is_one_line(tmp_path):
    with pytest.raises(LotteryError, match="config.yaml: not found: give the folder of an ESPnet experiment"):
        Experiment.read(tmp_path)


@pytest.mark.parametrize("files, kind", [
    ({"wav.scp": "a dump/raw/org/t/data/format.1/a.flac\n"}, "wav.scp,speech,sound"),
    ({"wav.scp": "a\tmy corpus/a b.wav\n"}, "wav.scp,speech,sound"),
    ({"wav.scp": "a dump/raw/org/t/data/format.1/data_wav.ark:17\n"}, "wav.scp,speech,kaldi_ark"),
    ({"feats.scp": "a dump/extracted/a.ark\n", "feats_type": "extracted\n"}, "feats.scp,speech,kaldi_ark"),
    ({"feats.scp": "a fbank.ark:17[0:9]\n", "feats_type": "fbank_pitch\n"}, "feats.scp,speech,kaldi_ark"),
])
def test_types_of_a_dump(tmp_path, monkeypatch, files, kind):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert speech_data(tmp_path) == f"{tmp_path}/{kind}"
    monkeypatch.chdir(tmp_path)
    path = Path(next(iter(files.values())).split(maxsplit=1)[1].strip().partition(":")[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    with pytest.raises(LotteryError, match="no such file"):
        need_speech(tmp_path)
    path.touch()
    need_speech(tmp_path)


@pytest.mark.parametrize("value", ["touch touched |", "touch touched |:0", "touch touched | :0", "|touch touched",
                                   "touch touched |:0[0:9]", "-", "touch touched\t|"])
@pytest.mark.parametrize("table", ["wav.scp", "feats.scp"])
def test_a_command_in_a_dump_is_refused_on_any_line(tmp_path, monkeypatch, table, value):
    """ESPnet's reader of archives would run it in a shell."""
    monkeypatch.chdir(tmp_path)
    Path("a.ark").touch()
    Path(table).write_text(f"a a.ark:3\nb a.ark:9\nc {value}\n")
    Path("feats_type").write_text("raw\n" if table == "wav.scp" else "fbank\n")
    with pytest.raises(LotteryError, match=rf"{table}:3: .* is a command, no file"):
        need_speech(".")
    Path(table).write_text(f"a a.ark:3\rb {value}\n")  # read by Python as two lines
    with pytest.raises(LotteryError, match=rf"{table}:2: .* is a command, no file"):
        need_speech(".")


@pytest.mark.parametrize("value", ["a|b/c|d.ark:3", "corpus | old/a.flac", "a -.wav"])
def test_a_bar_within_a_name_is_no_command(tmp_path, monkeypatch, value):
    monkeypatch.chdir(tmp_path)
    path = Path(value.partition(":")[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    Path("wav.scp").write_text(f"a {value}\n")
    need_speech(".")


def test_commands_in_a_dump_are_not_run_by_any_stage(recipe, exp, decode_config, tmp_path, monkeypatch, capfd):
    """Statistics, training and decoding of a dump from elsewhere, whose second line is a command."""
    shutil.copytree(recipe.dump, tmp_path / "dump")
    shutil.copytree(exp, tmp_path / "exp", symlinks=True)
    monkeypatch.chdir(tmp_path)
    for name in ("train", "dev"):
        path = tmp_path / "dump" / name / "wav.scp"
        keys = [line.split()[0] for line in path.read_text().splitlines()]
        (tmp_path / "a.ark").touch()
        path.write_text("".join(f"{key} {'touch touched |:0' if number else 'a.ark:0'}\n"
                                for number, key in enumerate(keys)))
    for words in (["stats", *recipe.options(), "--out", "stats"], ["find", *recipe.search(tmp_path / "new")],
                  ["decode", "exp", "--inference_config", decode_config, "--data", "dump", "--sets", "dev"]):
        said = [str(word).replace(str(recipe.dump), str(tmp_path / "dump")) for word in words]
        capfd.readouterr()
        assert audio_lottery(*said) == 1
        assert "wav.scp:2: 'touch touched |:0' is a command" in capfd.readouterr().err
    assert not list(tmp_path.rglob("touched"))


def test_run_sh_takes_the_dev_set_from_the_experiment(stock, tmp_path, repo_root):
    """Through a link to run.sh in the recipe's folder, as far as the set-up of the environment."""
    fake = tmp_path / "toolkit"
    shutil.copytree(repo_root / "conf", fake / "conf")
    for name in ("run.sh", "path.sh", "cmd.sh", "utils/parse_options.sh", "utils/run_jobs.py"):
        (fake / name).parent.mkdir(exist_ok=True)
        shutil.copy(repo_root / name, fake / name)
    (fake / "utils/setup.sh").write_text("#!/bin/sh\n")
    (fake / "utils/setup.sh").chmod(0o755)
    program = fake / ".venv/bin/audio-lottery"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    link = tmp_path / "lottery.sh"
    link.symlink_to(fake / "run.sh")
    done = subprocess.run([link, "--stage", "5", "--stop_stage", "8", "--espnet_exp", EXP, "--inference_nj", "1",
                           "--test_sets", "train_dev test"],
                          cwd=stock, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("find")]
    assert lines[0].startswith(f"find exp/{Path(EXP).name}_imp --espnet_exp {EXP} --lottery_conf")
    table = next(line for line in done.stdout.splitlines() if line.startswith("score"))
    assert "--sets train_dev test --refs dump/raw" in table
    refused = subprocess.run([link, "--stage", "5", "--espnet_exp", "exp/none"], cwd=stock, capture_output=True,
                             text=True)
    assert refused.returncode == 1 and "--espnet_exp exp/none: no config.yaml in it" in refused.stderr
    refused = subprocess.run([link, "--espnet_exp", EXP], cwd=stock, capture_output=True, text=True)
    assert refused.returncode == 1 and "--espnet_exp: is made by stages 1 to 4: begin with --stage 5" in refused.stderr
