"""Names from a corpus are data: shell text in ids, paths and words goes through run.sh and is never run.

Whatever would be run makes a file called ``touched``.
"""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from audio_lottery.data import commonvoice, kaldi, tedlium
from audio_lottery.errors import LotteryError

ROOT = Path(__file__).resolve().parents[2]
# ${IFS} stands for a blank, which an id cannot hold.
IDS = ["plain", "-rf", "--help", "$(touch${IFS}touched)", "`touch${IFS}touched`", ";touch${IFS}touched;", "a'b\"c",
       "&touch${IFS}touched&", "*", "~", "#x", "..", "../up", "%s%n", "back\\slash", "é中", "JOB", "a/b/c", "{1..9}",
       "(x)"]
FOLDER = "a 'corpus' \"of\" $(touch touched) `touch touched`; touch touched & #"
WORDS = ["one", "$(touch", "touched)", "`touch${IFS}touched`", "--help", "it's", "say\"so\"", "two", "back\\slash", "*"]


def corpus(folder: Path) -> Path:
    """Data folders with every name in IDS as an utterance, a speaker and part of a path."""
    rng = np.random.default_rng(0)
    for name, count in (("train", len(IDS)), ("dev", 4), ("test", len(IDS))):
        rows = []
        for number, one in enumerate(IDS[:count]):
            path = folder / "audio" / name / one.replace("/", "|") / f"{one.replace('/', '_')} .wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, rng.normal(size=8000 + 400 * number) / 9, 8000)
            words = " ".join(rng.choice(WORDS, 3 + number % 3))
            rows.append((f"{one}-{name}", one, str(path), words))
        kaldi.make_data_dir(rows).write(folder / name)
    return folder


@pytest.fixture
def place(tmp_path) -> Path:
    """A copy of the scripts whose audio-lottery runs this Python, and a recipe in a folder with a bad name."""
    tree = tmp_path / "tree"
    for name in ("run.sh", "path.sh", "cmd.sh"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree)
    for name in ("utils", "conf"):
        shutil.copytree(ROOT / name, tree / name)
    called = f"#!/bin/sh\nPYTHONPATH='{ROOT}' exec '{sys.executable}' -m audio_lottery.bin.main \"$@\"\n"
    for name, content in (("utils/setup.sh", "#!/bin/sh\n"), (".venv/bin/audio-lottery", called)):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text(content)
        (tree / name).chmod(0o755)
    recipe = tree / FOLDER
    (recipe / "local").mkdir(parents=True)
    (recipe / "local/data.sh").write_text(
        '#!/usr/bin/env bash\nset -eu\n[ "$1 $3" = "--out --corpus" ]\nmkdir -p "$2"\ncp -r "$4"/* "$2"\n')
    (recipe / "local/data.sh").chmod(0o755)
    return recipe


@pytest.mark.timeout(14400)
def test_the_whole_pipeline(place, tmp_path):
    quoted = shlex.quote(str(corpus(tmp_path / FOLDER)))
    model = {"frontend_conf": {"fs": 8000, "n_fft": 256, "win_length": 200, "hop_length": 80, "n_mels": 20},
             "normalize": "utterance_mvn", "encoder": "rnn", "encoder_conf": {"num_layers": 1, "hidden_size": 8,
                                                                             "output_size": 8},
             "decoder": None, "model_conf": {"ctc_weight": 1.0}, "optim": "adam", "optim_conf": {"lr": 0.01},
             "batch_type": "numel", "batch_bins": 80000, "max_epoch": 1, "keep_nbest_models": 1, "num_workers": 0,
             "num_att_plot": 0, "use_matplotlib": False, "use_tensorboard": False,
             "best_model_criterion": [["valid", "loss", "min"]]}
    (place / "train model.yaml").write_text(yaml.safe_dump(model))
    # Speeds and another rate: every utterance is written anew, under its own name.
    done = subprocess.run(
        ["../run.sh", "--local_data_opts", f"--corpus {quoted}",
         "--asr_config", "train model.yaml", "--fs", "8000", "--speed_perturb_factors", "0.9 1.0", "--lottery_args",
         "--rounds 1 --rate 0.5", "--asr_tag", "an exp; touch touched", "--nj", "2", "--inference_nj", "2"],
        cwd=place, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)})
    assert done.returncode == 0, done.stdout + done.stderr
    exp = place / "exp/an exp; touch touched"
    ids = sorted(f"{one}-test" for one in IDS)
    for number in (0, 1):
        heard = (exp / f"round_0{number}/decode_asr/test/text").read_text().splitlines()
        assert [line.split(" ")[0] for line in heard] == ids
    assert "result" in " ".join(path.name for path in exp.rglob("result.txt"))
    written = {Path(path).name for path in kaldi.read_table(place / "dump/raw/train_sp0.9_1.0/wav.scp").values()}
    assert len(written) == 2 * len(IDS)
    assert not list(tmp_path.rglob("touched"))
    outside = {path.name for path in tmp_path.iterdir()}
    assert outside <= {"tree", FOLDER, ".config", ".cache", ".local"}, outside


def test_a_newline_in_a_path_makes_no_second_entry(tmp_path):
    """A table's line ends there: the rest is an entry without text, and refused; it cannot be a command either."""
    path = tmp_path / "a\nb touch touched |"
    data = kaldi.make_data_dir([("u1", "s", str(path), "one")])
    data.write(tmp_path / "data")
    with pytest.raises(LotteryError, match=r"wav\.scp:2: "):
        kaldi.DataDir.read(tmp_path / "data")
    assert not (tmp_path / "touched").exists()


def test_names_in_corpora_files_stay_below_the_corpus(tmp_path):
    """Common Voice's clips and TED-LIUM's talks name files: one of another folder is refused."""
    (tmp_path / "clips").mkdir()
    (tmp_path / "secret.mp3").touch()
    for name in ("train", "dev", "test"):
        (tmp_path / f"{name}.tsv").write_text(f"client_id\tpath\tsentence\n{name}\t../secret.mp3\thi there\n")
    with pytest.raises(LotteryError, match=r"train\.tsv:2: "):
        commonvoice.prepare_commonvoice(tmp_path, tmp_path / "out", "en")
    for name in ("train", "dev", "test"):
        for kind in ("sph", "stm"):
            (tmp_path / name / kind).mkdir(parents=True)
        (tmp_path / name / "stm/x.stm").write_text("../../secret 1 s 0 1 <NA> hi there\n")
    (tmp_path / "secret.sph").touch()
    with pytest.raises(LotteryError, match=r"stm/x\.stm:1: "):
        tedlium.prepare_tedlium(tmp_path, tmp_path / "out", "2")
