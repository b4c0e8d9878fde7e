"""run.sh's options and checks, up to where it would set up and compute."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SETS = ("train", "dev", "test")


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe folder with empty configurations; nothing in it may be computed."""
    folder = tmp_path / "a corpus/asr1"
    for name in ("conf/train_asr_conformer.yaml", "conf/decode_asr.yaml", "conf/lottery/imp.yaml", "local/data.sh"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def run(folder: Path, *argv: str, script: Path = ROOT / "run.sh") -> subprocess.CompletedProcess:
    return subprocess.run([script, *argv], cwd=folder, capture_output=True, text=True)


def refused(done: subprocess.CompletedProcess, *named: str) -> None:
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("run.sh: error: ") and done.stderr.count("\n") == 1, done.stderr
    for text in named:
        assert text in done.stderr


def test_help_names_every_option_and_stage(recipe):
    done = run(recipe, "--help")
    assert done.returncode == 0
    for stage in range(1, 11):
        assert f"\n  {stage:<2} " in done.stdout
    source = (ROOT / "run.sh").read_text()
    settings = source.split("stage=1", 1)[1].split("help_message=", 1)[0]
    names = [line.split("=")[0] for line in settings.splitlines() if "=" in line]
    assert len(names) > 20
    for name in ["stage", *names[1:]]:
        assert f"--{name}" in done.stdout, name


@pytest.mark.parametrize("argv, named", [
    (["--stages", "3"], "no option --stages"),
    (["5"], "5: no such argument"),
    (["--stage", "six"], "--stage six: a positive whole number"),
    (["--stage", "0"], "--stage 0: a positive whole number"),
    (["--stop_stage", "11"], "the last stage is 10"),
    (["--stage", "11"], "--stage 11: the last stage is 10"),
    (["--stage", "5", "--stop_stage", "4"], "--stage 5 comes after --stop_stage 4"),
    (["--nj", "0"], "--nj 0"),
    (["--ngram_order", "1"], "--ngram_order 1: 2 to 6"),
    (["--ngpu", "-1"], "--ngpu -1"),
    (["--token_type", "phone"], "--token_type phone: word, char, bpe or unigram"),
    (["--feats_type", "mfcc"], "--feats_type mfcc: raw or fbank"),
    (["--feats_type", "fbank", "--stage", "3"], "dump/fbank/train/wav.scp is missing: run stage 2 first"),
    (["--test_snrs", "10 loud", "--noise_root", "white"], "loud: a number in dB"),
    (["--test_snrs", "10 0"], "where noise is, --noise_root says"),
    (["--train_snr", "10", "--noise_root", "white"], "--train_snr 10: two numbers in dB"),
    (["--noise_root", "'no such folder'"], "--noise_root no such folder: no such folder below"),
    (["--train_snr", "20 -5", "--noise_root", "white"], "turned round: write '-5 20'"),
    (["--noise_prob", "1.5"], "--noise_prob 1.5: a number above 0, at most 1"),
    (["--noise_mode", "later"], "--noise_mode later: dumped or on_the_fly"),
    (["--noise_mode", "on_the_fly", "--noise_root", "white", "--train_snr", "0 20", "--feats_type", "fbank"],
     "--noise_mode on_the_fly: noise is mixed into audio"),
    (["--noise_experiment", "true"], "where noise is, --noise_root says"),
    (["--noise_experiment", "true", "--noise_root", "white", "--noise_levels", "5"], "--noise_levels: 5: clean, or"),
    (["--lm_text", "nowhere"], "--lm_text nowhere: no such file"),
    (["--noise_root", "white", "--test_snrs", "10 -5", "--stage", "8"], "dump/raw/train/wav.scp is missing"),
    (["--speed_perturb_factors", "0.9 1.1", "--noise_root", "pink", "--train_snr", "0 20", "--stage", "3"],
     "dump/raw/train_sp0.9_1.1_snr0to20/wav.scp is missing: run stage 2 first"),
    (["--separate_rounds", "yes"], "--separate_rounds takes true or false"),
    (["--asr_config", "conf/none.yaml"], "conf/none.yaml: no such file"),
    (["--stage", "2"], "data/train/wav.scp is missing: run stage 1 first"),
    (["--stage", "5"], "dump/raw/train/wav.scp is missing: run stage 2 first"),
    ([], "local/data.sh is missing or not executable"),
])
def test_bad_calls_are_one_line(recipe, argv, named):
    refused(run(recipe, *argv), named)


def test_configurations_of_the_repository_serve_a_recipe_without_its_own(recipe):
    shutil.rmtree(recipe / "conf")
    refused(run(recipe), "local/data.sh is missing or not executable")
    refused(run(recipe, "--lottery_conf", "conf/lottery/none.yaml"), "--lottery_conf conf/lottery/none.yaml: no such")


def test_the_first_missing_stage_is_named(recipe):
    made = [
        (4, "dump/raw/{}/wav.scp", "run stage 3 first"),
        (5, "data/token_list/bpe20/tokens.txt", "run stage 4 first"),
        (6, "exp/asr_stats_raw_bpe20/.done", "run stage 5 first"),
        (8, "exp/tag/rounds.jsonl", "exp/tag/round_00/decode_asr/dev/text is missing: run stage 7 first"),
    ]
    for stage, path, named in made:
        for name in (*SETS, "test two"[5:]):
            file = recipe / path.format(name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
        refused(run(recipe, "--stage", str(stage), "--token_type", "bpe", "--nbpe", "20", "--asr_tag", "tag",
                    "--test_sets", "test two"), named)


# --- egs2/fsdd/asr1/run.sh


FSDD = ROOT / "egs2/fsdd/asr1/run.sh"


def test_fsdd_help_shows_both_kinds_of_options(tmp_path):
    done = run(tmp_path, "--help", script=FSDD)
    assert done.returncode == 0
    assert "--fsdd_root" in done.stdout and "--lottery_conf" in done.stdout


@pytest.mark.parametrize("argv, named", [
    (["--fsdd_root", "no such folder"], "--fsdd_root"),
    (["--protocol", "other"], "--protocol other: speaker_independent or official"),
    (["--protocol", "official", "--cross_validate", "true"], "--cross_validate true needs"),
    (["--no_such_option", "3"], "no option --no_such_option"),
    (["--stage", "11"], "--stage 11: the last stage is 10"),
    (["words"], "words: no such argument"),
])
def test_fsdd_bad_calls_are_one_line(tmp_path, argv, named):
    refused(run(tmp_path, *argv, script=FSDD), named)
    assert not list(tmp_path.iterdir())


def test_fsdd_options_reach_data_preparation(tmp_path):
    """A copy of the recipe beside a shared run.sh that only shows its arguments: quoting survives two hops."""
    recipe = tmp_path / "egs2/fsdd/asr1"
    recipe.mkdir(parents=True)
    shutil.copy(FSDD, recipe)
    (tmp_path / "utils").mkdir()
    shutil.copy(ROOT / "utils/parse_options.sh", tmp_path / "utils")
    (tmp_path / "run.sh").write_text('#!/usr/bin/env bash\nprintf "%s\\n" "$@"\n')
    (tmp_path / "run.sh").chmod(0o755)
    corpus = tmp_path / "the corpus's folder"
    corpus.mkdir()
    done = run(tmp_path, "--fsdd_root", corpus.name, "--nj", "3", script=recipe / "run.sh")
    lines = done.stdout.splitlines()
    assert lines[lines.index("--expdir") + 1] == "exp/test_theo_dev_nicolas"
    assert lines[-1] == "--nj=3"
    options = lines[lines.index("--local_data_opts") + 1]
    words = subprocess.run(["xargs", "-r", "printf", "%s\\n"], input=options, capture_output=True, text=True)
    assert words.stdout.splitlines() == [
        "--fsdd_root", str(corpus), "--protocol", "speaker_independent",
        "--test_speaker", "theo", "--dev_speaker", "nicolas"]
    link = tmp_path / "espnet/egs2/fsdd"  # as docs/espnet.md links it into an ESPnet checkout
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "egs2/fsdd")
    assert run(tmp_path, "--fsdd_root", corpus.name, "--nj", "3", script=link / "asr1/run.sh").stdout == done.stdout
