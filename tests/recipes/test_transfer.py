"""What run.sh asks for in a search that starts from what exists, and in the experiment that compares transfers."""

import shlex
import subprocess

import pytest


@pytest.fixture
def commands(tree):
    """The commands of stages 5 and 6, as lists of words."""
    for name in ("train", "dev", "test"):
        (tree / "dump/raw" / name).mkdir(parents=True)
        (tree / "dump/raw" / name / "wav.scp").touch()
    for name in ("data/token_list/word/tokens.txt", "exp/asr_stats_raw_word/.done"):
        (tree / name).parent.mkdir(parents=True)
        (tree / name).touch()

    def run(*options):
        done = subprocess.run(["./run.sh", "--stage", "5", "--stop_stage", "6", *options], cwd=tree,
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return [shlex.split(line) for line in done.stdout.splitlines() if " stage " not in line]

    return run


def after(command, *names):
    """The values of options; None for one that is not given."""
    return [command[command.index(name) + 1] if name in command else None for name in names]


def test_a_plain_search_starts_from_nothing(commands):
    for command in commands():
        assert command[:2] == ["find", "exp/asr_conformer_word_imp"]
        assert after(command, "--dense_model", "--theta0", "--source_ticket", "--source_round") == [None] * 4


def test_a_search_from_what_exists_has_a_folder_of_its_own(commands):
    dense = commands("--dense_model", "a model.zip", "--theta0", "w.pth")[0]
    assert [dense[1], *after(dense, "--dense_model", "--theta0")] == [
        "exp/asr_conformer_word_imp_from_model", "a model.zip", "w.pth"]
    mask = commands("--source_ticket", "exp/x", "--source_weights", "false", "--source_round", "3")[-1]
    assert [mask[1], *after(mask, "--source_ticket", "--source_round", "--source_weights")] == [
        "exp/asr_conformer_word_imp_transferred_mask", "exp/x", "3", "false"]


def test_the_experiment_runs_three_searches(commands):
    ran = commands("--source_ticket", "exp/x", "--compare_transfer", "true", "--lottery_args", "--rounds 2")
    assert [[one[1], *after(one, "--source_ticket", "--source_weights", "--dense_model")] for one in ran[::2]] == [
        ["exp/asr_conformer_word_imp", None, None, None],
        ["exp/asr_conformer_word_imp_transferred", "exp/x", "true", None],
        ["exp/asr_conformer_word_imp_transferred_mask", "exp/x", "false", "exp/asr_conformer_word_imp/round_00"]]
    settings = [next(word for word in one if word.startswith("--lottery_args=")) for one in ran]
    assert settings == ["--lottery_args=--rounds 2"] * 4 + ["--lottery_args=--rounds 2 --restart fresh"] * 2


def test_without_a_ticket_nothing_is_compared(tree):
    done = subprocess.run(["./run.sh", "--compare_transfer", "true"], cwd=tree, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "") and "which ticket, --source_ticket says" in done.stderr
