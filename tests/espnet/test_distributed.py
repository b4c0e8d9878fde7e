"""Searches trained by two and four gloo processes on the CPU, against one process."""

import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from audio_lottery import snapshot
from audio_lottery.bin import cli, find
from audio_lottery.errors import LotteryError
from audio_lottery.espnet.launch import Launcher
from audio_lottery.espnet.models import load_state
from audio_lottery.invariants import check
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask

# Utterances of one length (padding has no part in it), no dropout, no batch norm, and SGD: Adam's first steps have
# the size of the learning rate however small the gradient is, rounding errors too.
LENGTH = 12000
ENCODER = {"output_size": 16, "attention_heads": 2, "linear_units": 32, "num_blocks": 1, "input_layer": "linear",
           "dropout_rate": 0.0, "attention_dropout_rate": 0.0, "positional_dropout_rate": 0.0}
TRAINING = {"specaug": None, "encoder": "transformer", "encoder_conf": ENCODER, "optim": "sgd",
            "optim_conf": {"lr": 0.05}, "scheduler": None, "scheduler_conf": {}, "batch_type": "unsorted",
            "batch_size": 8, "max_epoch": 2, "keep_nbest_models": 1}
ROUNDS = ("--lottery_args", "--rounds 1 --rate 0.4")
# On rank 1 a weight changes behind the trainer's back, in the second step.
BROKEN = """
import sys
import torch
from torch.optim.optimizer import register_optimizer_step_post_hook
from audio_lottery.bin import cli, train
from audio_lottery.processes import end

steps = 0
def spoil(optimizer, *_):
    global steps
    steps += 1
    if steps == 2 and torch.distributed.get_rank() == 1:
        with torch.no_grad():
            optimizer.param_groups[0]["params"][0].view(-1)[0] += 1e-6
register_optimizer_step_post_hook(spoil)
end(cli.main(train, prog="audio-lottery train"))
"""


@pytest.fixture(scope="module")
def even(recipe, tmp_path_factory):
    """The tiny recipe, changed so that its training doesn't depend on how its batches are split."""
    folder = tmp_path_factory.mktemp("even") / "recipe"
    changed = type(recipe)(folder)
    changed.stats = folder / "stats"
    folder.mkdir(parents=True, exist_ok=True)
    changed.config.write_text(yaml.safe_dump({**yaml.safe_load(recipe.config.read_text()), **TRAINING}))
    for name in ("dump", "stats", "tokens"):
        shutil.copytree(recipe.folder / name, folder / name, symlinks=True)
    for part, name in (("train", "train"), ("valid", "dev")):
        table, lines = changed.dump / name / "wav.scp", []
        for line in table.read_text().splitlines():
            key, path = line.split(maxsplit=1)
            audio, rate = soundfile.read(path, dtype="int16")
            cut = folder / f"{key}.wav"
            soundfile.write(cut, np.pad(audio, (0, LENGTH))[:LENGTH], rate, subtype="PCM_16")
            lines.append((key, cut))
        table.write_text("".join(f"{key} {path}\n" for key, path in lines))
        (changed.stats / part / "speech_shape").write_text("".join(f"{key} {LENGTH}\n" for key, _ in lines))
    return changed


@pytest.fixture(scope="module")
def alone(even) -> Layout:
    assert cli.main(find, even.search(even.folder / "alone", *ROUNDS)) == 0
    return Layout(even.folder / "alone")


def same_weights(ours: dict, theirs: dict, start: dict) -> None:
    """Equal but for rounding: a thousandth of what training changed."""
    for name, value in theirs.items():
        moved = float((value - start[name]).abs().max()) if value.is_floating_point() else 0.0
        torch.testing.assert_close(ours[name], value, rtol=1e-4, atol=1e-3 * moved + 1e-7)


def proofs(log: Path) -> list[str]:
    return re.findall(r"epoch \d+: (\d+ ranks hold the same mask \w+, weights \w+)", log.read_text())


@pytest.mark.parametrize("world", [2, 4])
def test_processes_train_what_one_trains(even, alone, world):
    """The global batch is the configuration's: ESPnet splits each batch, and weighs losses by utterances."""
    layout = Layout(even.folder / f"ranks{world}")
    assert cli.main(find, even.search(layout.folder, *ROUNDS, "--num_nodes", str(world))) == 0
    assert [one for found in check(layout.folder, load_state).values() for one in found] == []
    assert Mask.load(layout.mask(1)) == Mask.load(alone.mask(1))
    for number in (0, 1):
        ours, theirs = (load_state(one.round(number) / "latest.pth") for one in (layout, alone))
        same_weights(ours, theirs, snapshot.load(alone.theta0))
        assert Ledger(layout.ledger).get(number)["steps"] == Ledger(alone.ledger).get(number)["steps"] == 6
    for rank in range(world):
        log = layout.round(1) / (f"train.{rank}.log" if rank else "train.log")
        assert proofs(log) == proofs(layout.round(1) / "train.log") and len(proofs(log)) == 3


def test_a_search_within_with_accumulation_and_mixed_precision(recipe, tmp_path):
    """RigL by two processes: batches of two halves each step, use_amp on, Adam, batch norm, dropout."""
    layout = Layout(tmp_path / "exp")
    more = ["--lottery_args", "--rounds 1 --rate 0.4 --within rigl --allocation erk --within_conf.every 1it "
            "--within_conf.end 0.5", "--asr_args", "--accum_grad 2 --use_amp true", "--num_nodes", "2"]
    assert cli.main(find, recipe.search(layout.folder, *more)) == 0
    assert [one for found in check(layout.folder, load_state).values() for one in found] == []
    assert Mask.load(layout.changing(layout.round(1), 0)) != Mask.load(layout.mask(1))  # it did change
    assert len(proofs(layout.round(1) / "train.1.log")) == 4


def test_a_rank_that_differs_stops_the_run(even, tmp_path):
    from audio_lottery.bin import find as command
    from audio_lottery.bin import recipe_options

    parser = cli.Parser()
    command.add_arguments(parser)
    args = parser.parse_args(even.search(tmp_path / "exp"))
    script = tmp_path / "broken.py"
    script.write_text(BROKEN)
    folder = tmp_path / "exp" / "round_00"
    training = recipe_options.read(args, args.stats).training(folder)
    with pytest.raises(LotteryError) as error:
        Launcher(num_nodes=2).run([sys.executable, str(script), "--task", "asr", *training], folder,
                                  folder / "train.log")
    assert str(error.value) == (f"{folder}: after epoch 1: the weights of rank 1 are not those of rank 0 (2 ranks): "
                                "check that machine, then start the search again")
    assert not list(folder.glob("*.pth"))  # nothing of it was kept


SSH = """#!/bin/sh
shift
exec sh -c "$*"
"""
# What Slurm sets for each task of a step, of two nodes with a task each.
SRUN = """#!/bin/sh
while [ "$1" != -- ] && [ "${1#-}" != "$1" ]; do case $1 in --*=*) shift;; *) shift 2;; esac; done
export SLURM_NTASKS=2 SLURM_STEP_NUM_NODES=2 SLURM_STEP_NODELIST=localhost
SLURM_PROCID=1 SLURM_NODEID=1 SLURM_LOCALID=0 "$@" &
SLURM_PROCID=0 SLURM_NODEID=0 SLURM_LOCALID=0 "$@"
status=$?
wait $! || status=$?
exit $status
"""


@pytest.mark.parametrize("program, script, options", [
    ("ssh", SSH, ["--host", "one,two"]), ("srun", SRUN, ["--num_nodes", "2", "--dist_launcher", "slurm"])])
def test_started_on_nodes(even, alone, tmp_path, monkeypatch, program, script, options):
    """By espnet2.bin.launch through ssh, and by srun; both nodes are this machine."""
    started = tmp_path / "bin" / program
    started.parent.mkdir()
    started.write_text(script)
    started.chmod(0o755)
    monkeypatch.setenv("PATH", f"{started.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("AUDIO_LOTTERY_ROOT", raising=False)
    layout = Layout(tmp_path / "exp")
    assert cli.main(find, even.search(layout.folder, "--lottery_args", "--rounds 0", *options)) == 0
    assert Ledger(layout.ledger).get(0)["steps"] == 6
    same_weights(*(load_state(one.round(0) / "latest.pth") for one in (layout, alone)), snapshot.load(alone.theta0))


@pytest.mark.parametrize("options, said", [
    ({"num_nodes": 2, "ngpu": 1}, "one of --dist_launcher slurm"), ({"host": "a", "cmd": "b"}, "give one"),
    ({"host": "a,b", "num_nodes": 2}, "--host names the nodes")])
def test_contradictions_are_refused(options, said):
    with pytest.raises(LotteryError, match=said):
        Launcher(**options)


def test_commands_of_espnets_launcher(tmp_path):
    words = Launcher(4, 2, cmd="slurm.pl --mem 8G").commands(["train", "--ngpu", "4"], tmp_path)[0]
    assert words[1:3] == ["-m", "espnet2.bin.launch"] and words[-4:] == ["--", "train", "--ngpu", "4"]
    assert words[words.index("--num_nodes") + 1] == "2" and words[words.index("--cmd") + 1] == "slurm.pl --mem 8G"
    assert Launcher(8).commands(["train"], tmp_path) == [["train", "--multiprocessing_distributed", "true"]]
