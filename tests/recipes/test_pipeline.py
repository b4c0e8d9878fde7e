"""The whole of run.sh, stages 1 to 8, on a tiny corpus in a recipe folder outside the repository."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from audio_lottery.mask import Mask

ROOT = Path(__file__).resolve().parents[2]
SETS = ("dev", "test")

pytestmark = pytest.mark.skipif(
    Path(sys.prefix) != ROOT / ".venv", reason="needs the environment that utils/setup.sh makes: run make test")


def run(recipe: Path, *argv: str) -> str:
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([ROOT / "run.sh", *argv], cwd=recipe, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def recipe(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("a corpus") / "asr1"
    for path in ("local/data.sh", "conf/train_asr_conformer.yaml", "conf/decode_asr.yaml", "conf/lottery/imp.yaml"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(ROOT / path)
    return folder


@pytest.fixture(scope="module")
def options() -> list[str]:
    return ["--local_data_opts", "--train_strings 16 --dev_strings 4 --test_strings 4", "--token_type", "bpe",
            "--nbpe", "20", "--asr_tag", "tiny", "--lottery_args", "--rounds 1 --rate 0.5",
            "--asr_args", "--max_epoch 1 --keep_nbest_models 1 --use_tensorboard false", "--inference_nj", "2"]


@pytest.fixture(scope="module")
def printed(recipe, options) -> str:
    return run(recipe, *options)


def test_every_stage_is_announced_and_the_table_and_the_report_come_last(printed):
    lines = printed.splitlines()
    announced = [line.split()[2] for line in lines if line[8:15] == " stage "]
    assert announced == [f"{stage}:" for stage in range(1, 9)]
    table = printed[printed.index("scope %"):]
    assert "extreme ticket" in table and "best ticket" in table
    assert lines[-1].startswith("report: exp/tiny/report/")


def test_files_are_where_espnet_users_look_for_them(recipe, printed):
    exp = recipe / "exp/tiny"
    rows = [json.loads(line) for line in (exp / "rounds.jsonl").read_text().splitlines()]
    assert [row["round"] for row in rows] == [0, 1]
    for number in range(2):
        folder = exp / f"round_{number:02d}"
        assert (folder / "config.yaml").is_file() and (folder / "train.log").is_file()
        for name in SETS:
            decoded = folder / "decode_asr" / name
            spoken = (recipe / f"dump/raw/{name}/text").read_text().splitlines()
            heard = (decoded / "text").read_text().splitlines()
            assert [line.split()[0] for line in heard] == [line.split()[0] for line in spoken]
            assert (decoded / "score_wer/result.txt").is_file()
    for path in ("theta0.safetensors", "masks/round_01.safetensors", "report/RESULTS.md", "report/index.html",
                 "logs/decode_asr.2.log"):
        assert (exp / path).is_file(), path
    assert (recipe / "data/token_list/bpe20/bpe.model").is_file()


def test_finished_stages_are_not_done_again(recipe, options, printed):
    models = sorted((recipe / "exp/tiny").glob("round_*/*.pth"))
    before = [path.stat().st_mtime_ns for path in models]
    assert before
    table = run(recipe, *options, "--stage", "4")
    assert [path.stat().st_mtime_ns for path in models] == before
    assert table.split("scope %")[1] == printed.split("scope %")[1]


def test_a_ticket_moves_to_other_tokens_in_noise_and_is_decoded_with_a_language_model(recipe, options, printed):
    """The issue's experiments through every stage: noise while training and in a test set, transfer, a tuned 2-gram."""
    (recipe / "conf/narrow.yaml").write_text("beam_size: 2\nctc_weight: 1.0\n")
    said = run(recipe, *options, "--stage", "2", "--token_type", "word", "--asr_tag", "moved", "--inference_nj", "1",
               "--noise_root", "white babble", "--train_snr", "0 10", "--noise_mode", "on_the_fly", "--test_snrs", "5",
               "--source_ticket", "exp/tiny", "--use_ngram", "true", "--ngram_order", "2", "--lm_weights", "0 0.5",
               "--inference_config", "conf/narrow.yaml")
    assert "ok   masks and initial weights are the source ticket's" in said
    source, exp = recipe / "exp/tiny", recipe / "exp/moved"
    assert Mask.load(exp / "masks/round_01.safetensors") == Mask.load(source / "masks/round_01.safetensors")
    taken = json.loads((exp / "source/about.json").read_text())
    assert set(taken["own"]) == {"ctc.ctc_lo.weight", "ctc.ctc_lo.bias"}
    trained = yaml.safe_load((exp / "round_01/config.yaml").read_text())
    assert trained["train_snr"] == [0, 10] and trained["train_noise"] == ["white", "babble=dump/raw/train"]
    tuned = yaml.safe_load((exp / "decode_narrow_ngram.yaml").read_text())
    assert tuned["ngram_weight"] in (0, 0.5) and tuned["ngram_file"] == "exp/ngram_word/2gram.arpa"
    spoken = (recipe / "dump/raw/test/text").read_text()
    for number in range(2):
        for name in ("dev", "test", "test_snr5"):
            assert (exp / f"round_{number:02d}/decode_narrow_ngram/{name}/score_wer/result.txt").is_file()
        heard = (exp / f"round_{number:02d}/decode_narrow_ngram/test_snr5/text").read_text()
        assert [line.split()[0] for line in heard.splitlines()] == [line.split()[0] for line in spoken.splitlines()]
    assert "test_snr5 WER" in said[said.index("scope %"):]
