"""The whole of run.sh, stages 1 to 8, on a tiny corpus in a recipe folder outside the repository."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
