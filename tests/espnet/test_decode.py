"""Decoding: the stock command gives the same text, whatever the number of jobs."""

import subprocess
import sys
from pathlib import Path

import pytest

from audio_lottery.bin import cli, decode
from audio_lottery.espnet.models import averaged_model_file


def arguments(exp, recipe, decode_config, *more) -> list[str]:
    return [str(exp), "--inference_config", str(decode_config), "--data", str(recipe.dump), "--sets", "test",
            "--rounds", "2", *more]


def test_stock_inference_gives_the_same_text(exp, recipe, decode_config, tmp_path):
    """Invariant 1, by the stock command in a process of its own."""
    assert cli.main(decode, arguments(exp, recipe, decode_config, "--nj", "2", "--tag", "jobs")) == 0
    assert cli.main(decode, arguments(exp, recipe, decode_config, "--nj", "2", "--tag", "jobs", "--merge")) == 0
    folder = exp / "round_02"
    subprocess.run(
        [sys.executable, "-m", "espnet2.bin.asr_inference", "--config", decode_config, "--output_dir", tmp_path,
         "--asr_train_config", folder / "config.yaml", "--asr_model_file", averaged_model_file(folder),
         "--data_path_and_name_and_type", f"{recipe.dump}/test/wav.scp,speech,sound"],
        check=True, capture_output=True)
    for table in ("text", "token_int", "score"):
        stock = sorted((tmp_path / "1best_recog" / table).read_text().splitlines())
        ours = (folder / "decode_jobs/test" / table).read_text().splitlines()
        assert len(ours) == 6
        assert ours == stock


def test_done_jobs_are_skipped_and_changes_redone(exp, recipe, decode_config, capsys, tmp_path):
    command = arguments(exp, recipe, decode_config, "--tag", "again")
    assert cli.main(decode, command) == 0
    assert "6 decoded" in capsys.readouterr().out
    assert cli.main(decode, command) == 0
    assert "up to date" in capsys.readouterr().out
    other = tmp_path / "decode_other.yaml"
    other.write_text("beam_size: 2\nctc_weight: 1.0\n")
    command[2] = str(other)
    assert cli.main(decode, command) == 0
    assert "6 decoded" in capsys.readouterr().out


def test_a_missing_job_is_named(exp, recipe, decode_config, capsys):
    command = arguments(exp, recipe, decode_config, "--tag", "partial", "--nj", "2")
    assert cli.main(decode, [*command, "--job", "1"]) == 0
    assert cli.main(decode, [*command, "--merge"]) == 1
    assert "job 2 of 2 has not finished: run stage 7 again" in capsys.readouterr().err


@pytest.mark.parametrize("change, said", [
    (["--rounds", "7"], "--rounds 7: not a finished round"),
    (["--sets", "absent"], "absent/wav.scp: not found"),
    (["--nj", "2", "--job", "3"], "a job is a number from 1 to --nj"),
    (["--inference_config", "absent.yaml"], "absent.yaml: not found"),
    (["--task", "tts"], "--task tts: unknown: choose from auto"),
    (["--model_file", "absent.pth"], "absent.pth: not found"),
])
def test_bad_input(exp, recipe, decode_config, capsys, change, said):
    import re

    assert cli.main(decode, arguments(exp, recipe, decode_config, *change)) == 1
    error = capsys.readouterr().err
    assert re.search(said, error) and error.count("\n") == 1, error


def test_an_unknown_inference_option_is_refused(exp, recipe, tmp_path, capsys):
    config = Path(tmp_path / "decode_bad.yaml")
    config.write_text("beam_sizes: 2\n")
    assert cli.main(decode, arguments(exp, recipe, config, "--tag", "bad")) == 1
    assert "ESPnet refused the decoding options" in capsys.readouterr().err


def test_another_language_model_decodes_anew_and_an_unfit_one_is_refused(exp, recipe, tmp_path, capfd):
    """The file's content counts, not its name."""
    pytest.importorskip("kenlm", reason="KenLM's Python module is not installed")
    from audio_lottery.bin import ngram

    lm, config = tmp_path / "lm.arpa", tmp_path / "decode_lm.yaml"
    config.write_text(f"beam_size: 2\nctc_weight: 1.0\nngram_weight: 0.5\nngram_file: {lm}\n")
    command = arguments(exp, recipe, config, "--tag", "lm")
    estimate = ["--text", str(recipe.dump / "train/text"), "--utt_ids", "true", "--out", str(lm), "--token_list",
                str(recipe.folder / "tokens/tokens.txt"), "--method", "python"]
    for order, said in (("2", "6 decoded"), ("2", "up to date"), ("3", "6 decoded")):
        assert cli.main(ngram, [*estimate, "--order", order]) == 0
        assert cli.main(decode, command) == 0
        out, error = capfd.readouterr()
        assert said in out and "Reading" not in error  # the bar that KenLM draws from C++
    (tmp_path / "text").write_text("other words altogether\n")
    assert cli.main(ngram, ["--text", str(tmp_path / "text"), "--out", str(lm), "--order", "2"]) == 0
    assert cli.main(decode, command) == 1
    error = capfd.readouterr().err
    assert "its words are not the tokens of" in error and error.count("\n") == 1, error
