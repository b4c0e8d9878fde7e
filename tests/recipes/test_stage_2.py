"""What stage 2 of run.sh is asked for: a copy of the script whose commands only show their arguments."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STUB = "#!/usr/bin/env bash\nprintf '%q ' \"$@\"; echo\n"


@pytest.fixture
def tree(tmp_path):
    """run.sh with its environment ready, data prepared, and a noise folder."""
    for name in ("run.sh", "path.sh", "cmd.sh"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    (tmp_path / "local").mkdir()
    shutil.copy(ROOT / "local/data.sh", tmp_path / "local")
    (tmp_path / "utils").mkdir()
    shutil.copy(ROOT / "utils/parse_options.sh", tmp_path / "utils")
    for name, content in (("utils/setup.sh", "#!/bin/sh\n"), (".venv/bin/audio-lottery", STUB)):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(0o755)
    for name in ("train", "dev", "test", "test_b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "wav.scp").touch()
    (tmp_path / "some noise").mkdir()
    return tmp_path


def commands(tree, *options):
    done = subprocess.run(["./run.sh", "--stage", "2", "--stop_stage", "3", "--nj", "1", *options], cwd=tree,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines() if " stage " not in line]


def values(command):
    """Options of a command: name -> its values."""
    found = {}
    for word in command[1:]:
        if word.startswith("--"):
            found[word] = []
        else:
            found[list(found)[-1]].append(word)
    return found


def test_by_default_each_set_is_formatted_and_no_more(tree):
    ran = commands(tree, "--test_sets", "test test_b")
    assert [command[0] for command in ran] == ["format"] * 4 + ["tokens"]
    assert [values(command)["--dump"] for command in ran[:4]] == [
        ["dump/raw/train"], ["dump/raw/dev"], ["dump/raw/test"], ["dump/raw/test_b"]]
    assert values(ran[0])["--max_wav_duration"] == ["20"] and values(ran[2])["--max_wav_duration"] == ["inf"]
    for command in ran[:4]:
        assert values(command)["--allow_pipes"] == ["false"]
        assert not {"--channel", "--speed_perturb_factors"} & set(command)


def test_speed_noise_and_features_follow_one_another(tree):
    ran = commands(tree, "--speed_perturb_factors", "0.9 1.0", "--noise_root", "some noise", "--train_snr", "0 20",
                   "--test_snrs", "10 -5", "--feats_type", "fbank", "--channel", "2", "--allow_pipes", "true")
    assert [command[0] for command in ran] == ["format"] * 3 + ["mix_noise"] * 3 + ["fbank"] * 5 + ["tokens"]
    formats, noises, features = ([values(command) for command in ran[i:j]] for i, j in ((0, 3), (3, 6), (6, 11)))
    assert formats[0]["--speed_perturb_factors"] == ["0.9 1.0"]
    assert all("--speed_perturb_factors" not in one for one in formats[1:])
    assert all(one["--channel"] == ["2"] and one["--allow_pipes"] == ["true"] for one in formats)
    train = "train_sp0.9_1.0_snr0to20"
    assert [(one["--data"], one["--out"], one["--snr"], one["--part"]) for one in noises] == [
        (["dump/raw/train_sp0.9_1.0"], [f"dump/raw/{train}"], ["0", "20"], ["train"]),
        (["dump/raw/test"], ["dump/raw/test_snr10"], ["10"], ["test"]),
        (["dump/raw/test"], ["dump/raw/test_snr-5"], ["-5"], ["test"])]
    assert all(one["--noise"] == [str(tree / "some noise")] for one in noises)
    assert [one["--out"] for one in features] == [
        [f"dump/fbank/{name}"] for name in (train, "dev", "test", "test_snr10", "test_snr-5")]
    assert values(ran[-1])["--text"] == [f"dump/fbank/{train}/text"]
