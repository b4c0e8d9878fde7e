"""The recipes of single corpora: their options reach data preparation, and each has what a recipe needs."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
# recipe -> its option for a copy, and what else it passes on
RECIPES = {
    "an4": ("an4_root", []),
    "commonvoice": ("commonvoice_root", ["--lang", "en"]),
    "librispeech": ("librispeech_root", []),
    "librispeech_100": ("librispeech_root", ["--train_parts", "train-clean-100"]),
    "mini_an4": ("an4_root", []),
    "speechocean762": ("speechocean762_root", ["--subset", "all"]),
    "tedlium": ("tedlium_root", ["--release", "2"]),
}


def run(folder: Path, *argv: str, script: Path) -> subprocess.CompletedProcess:
    return subprocess.run([script, *argv], cwd=folder, capture_output=True, text=True)


@pytest.fixture
def bare(tmp_path):
    """A copy of every recipe beside a run.sh that only shows its arguments."""
    for name in RECIPES:
        recipe = tmp_path / f"egs2/{name}/asr1"
        recipe.mkdir(parents=True)
        shutil.copy(ROOT / f"egs2/{name}/asr1/run.sh", recipe)
        shutil.copytree(ROOT / f"egs2/{name}/asr1/local", recipe / "local")
    (tmp_path / "utils").mkdir()
    for name in ("parse_options.sh", "recipe.sh"):
        shutil.copy(ROOT / "utils" / name, tmp_path / "utils")
    (tmp_path / "run.sh").write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    (tmp_path / "run.sh").chmod(0o755)
    return tmp_path


@pytest.mark.parametrize("name", RECIPES)
def test_options_reach_data_preparation(bare, name):
    option, others = RECIPES[name]
    corpus = bare / "the corpus's folder"
    corpus.mkdir()
    script = bare / f"egs2/{name}/asr1/run.sh"
    done = run(bare, f"--{option}", corpus.name, "--nj", "3", script=script)
    lines = done.stdout.splitlines()
    assert lines[-1] == "--nj=3" and lines[lines.index("--fs") + 1] == "16000"
    options = lines[lines.index("--local_data_opts") + 1]
    words = subprocess.run(["xargs", "-r", "printf", "%s\\n"], input=options, capture_output=True, text=True)
    assert words.stdout.splitlines() == [f"--{option}", str(corpus), *others]
    refused = run(bare, f"--{option}", "elsewhere", script=script)
    assert refused.returncode == 1 and refused.stdout == ""
    assert refused.stderr.startswith(f"run.sh: error: --{option}: no such folder below")


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_the_same_through_a_link_in_an_espnet_checkout(bare, name):
    link = bare / f"espnet/egs2/{name}/lottery1"
    link.parent.mkdir(parents=True)
    link.symlink_to(bare / f"egs2/{name}/asr1")
    corpus = bare / "corpus"
    corpus.mkdir()
    direct = run(bare, f"--{RECIPES[name][0]}", "corpus", script=bare / f"egs2/{name}/asr1/run.sh")
    linked = run(link, f"--{RECIPES[name][0]}", corpus, script=link / "run.sh")
    assert linked.returncode == 0 and linked.stdout == direct.stdout != ""


def test_digits_of_speechocean762_are_as_those_of_fsdd(bare):
    script = bare / "egs2/speechocean762/asr1/run.sh"
    lines = run(bare, "--subset", "digits", script=script).stdout.splitlines()
    options = dict(zip(lines, lines[1:], strict=False))
    config = yaml.safe_load((ROOT / "egs2/speechocean762/asr1" / options["--asr_config"]).read_text())
    fsdd = yaml.safe_load((ROOT / "egs2/fsdd/asr1/conf/20ms/train_asr_conformer.yaml").read_text())
    for part in ("frontend_conf", "encoder", "encoder_conf", "model_conf"):
        assert config[part] == fsdd[part]
    assert int(options["--fs"]) == fsdd["frontend_conf"]["fs"] and options["--token_type"] == "word"
    assert options["--local_data_opts"].split() == ["--subset", "digits"] and options["--datadir"] == "data/digits"


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_whole(name):
    recipe = ROOT / f"egs2/{name}/asr1"
    done = run(recipe, "--help", script=recipe / "run.sh")
    assert done.returncode == 0 and f"--{RECIPES[name][0]}" in done.stdout and "--lottery_conf" in done.stdout
    assert (recipe / "local/data.sh").stat().st_mode & 0o100
    config = yaml.safe_load((recipe / "conf/train_asr_conformer.yaml").read_text())
    assert config["frontend_conf"]["fs"] == 16000
    assert (recipe / "conf/full/train_asr_conformer.yaml").is_file()
    assert f"--{RECIPES[name][0]}" in (recipe / "README.md").read_text()


def test_fsdd_is_whole():
    """Its run.sh has tests of its own; its GPU configurations take audio of 16 kHz."""
    recipe = ROOT / "egs2/fsdd/asr1"
    full = yaml.safe_load((recipe / "conf/full/train_asr_conformer.yaml").read_text())
    assert full["frontend_conf"]["fs"] == "16k" and "--fs 16000" in (recipe / "README.md").read_text()
    assert yaml.safe_load((recipe / "conf/train_asr_conformer.yaml").read_text())["frontend_conf"]["fs"] == 8000


def test_parts_of_librispeech_stay_one_argument(bare):
    done = run(bare, "--train_parts", "dev-clean dev-other", script=bare / "egs2/librispeech/asr1/run.sh")
    lines = done.stdout.splitlines()
    options = lines[lines.index("--local_data_opts") + 1]
    words = subprocess.run(["xargs", "-r", "printf", "%s\\n"], input=options, capture_output=True, text=True)
    assert words.stdout.splitlines() == ["--train_parts", "dev-clean dev-other"]
