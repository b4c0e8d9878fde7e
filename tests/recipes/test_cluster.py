"""run.sh's training and decoding, and a small grid of it, through a real Slurm."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = {"token_type": "char", "asr_args": "--max_epoch 1 --keep_nbest_models 1 --use_tensorboard false",
           "lottery_args": "--rounds 1 --rate 0.5", "inference_nj": 2}

pytestmark = pytest.mark.skipif(
    Path(sys.prefix) != ROOT / ".venv", reason="needs the environment that utils/setup.sh makes: run make test")


@pytest.fixture(scope="module")
def run(slurm, tmp_path_factory):
    """Run a command in a recipe's folder whose data is prepared; what it printed."""
    folder = tmp_path_factory.mktemp("a corpus") / "asr1"
    for path in ("run.sh", "local/data.sh", "conf/train_asr_conformer.yaml", "conf/decode_asr.yaml", "conf/lottery"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).symlink_to(ROOT / path)

    def call(*words: str, backend: str = "local") -> str:
        env = {**slurm, "OMP_NUM_THREADS": "1", "AUDIO_LOTTERY_CMD": backend,
               "PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"}
        done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    call("./run.sh", *(f"--{name}={value}" for name, value in OPTIONS.items()), "--stop_stage", "4",
         "--local_data_opts", "--train_strings 16 --dev_strings 4 --test_strings 4")
    call.folder = folder
    return call


def test_training_and_decoding_are_jobs(run):
    options = [f"--{name}={value}" for name, value in OPTIONS.items()]
    printed = run("./run.sh", *options, "--asr_tag", "tiny", "--stage", "5", "--stop_stage", "7", backend="slurm")
    assert "trained by slurm_jobs.py: see exp/tiny/logs/stage_6.log" in printed
    for number in (0, 1):
        assert len((run.folder / f"exp/tiny/round_0{number}/decode_asr/test/text").read_text().splitlines()) == 4
    logs = run.folder / "exp/tiny/logs"
    for name in ("stage_5.log", "decode_asr.1.log", "decode_asr.2.log"):
        assert ", status 0, " in (logs / name).read_text()
        assert (logs / "q" / name.replace(".1.", ".JOB.").replace(".2.", ".JOB.") / "spec.json").exists()


def test_a_grid_of_searches(run):
    methods = {"dense": {"stop_stage": 5, "dense_model": None}, "imp": None}
    options = {"stage": 5, **OPTIONS, "dense_model": "{exp:dense}/round_00"}
    (run.folder / "g.yaml").write_text(json.dumps({"options": options, "axes": {"method": methods}}))
    printed = run("audio-lottery", "grid", "g.yaml", "--jobs", "2", "--cmd", "slurm_jobs.py --mem 1500M")
    assert "2 of 2 done, 0 failed" in printed and "| imp | 1 | 1 |" in printed
    rows = [json.loads(line) for line in (run.folder / "exp/g/imp/rounds.jsonl").read_text().splitlines()]
    assert rows[0]["imported"]["from"] == "exp/g/dense/round_00" and rows[1]["search_steps"] == rows[0]["steps"] > 0
