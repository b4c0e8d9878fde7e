"""Every preset of conf/lottery: accepted with the default recipe as it is, and run to its end on the tiny one."""

from pathlib import Path

import pytest

from audio_lottery import config_file, masks
from audio_lottery.bin import cli, find, recipe_options
from audio_lottery.bin.cli import Parser
from audio_lottery.espnet.backend import EspnetBackend
from audio_lottery.espnet.models import load_state
from audio_lottery.invariants import check
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.search import plan

ROOT = Path(__file__).resolve().parents[2]
# imp_gates is for recurrent networks: see test_backbones.
PRESETS = {path.stem: path for path in sorted((ROOT / "conf/lottery").glob("*.yaml")) if path.stem != "imp_gates"}
# Those that compare with the search of imp beside them, and how they are told of another.
BESIDE = {"random_ticket": "--masks_from", "layer_shuffle": "--allocation_conf.mask", "small_dense": "--small_dense"}
# What three epochs, two of them averaged, cannot give as it is.
SMALLER = {
    "imp_decay": "--schedule_conf.target 0.6",
    "early_bird": "--stop_conf.window 2 --stop_conf.threshold 0.5",
    "gmp_once": "--within_conf.end 0.6", "rigl": "--within_conf.end 0.6", "set": "--within_conf.end 0.6",
    "synflow": "--criterion_conf.iterations 5",
    "imp_heads": "--schedule_conf.densities '[0.5]'",
}
# Those that need more of the dense training than its end; the others take it from the search beside.
OWN_DENSE = ("early_bird", "imp_short_rounds", "imp_rewind_1ep")


@pytest.mark.parametrize("name", [name for name in PRESETS if name not in BESIDE])
def test_accepted_with_the_default_recipe(recipe, tmp_path, name):
    config = config_file.load(PRESETS[name])
    parser = Parser()
    find.add_arguments(parser)
    args = parser.parse_args(recipe.search(tmp_path, config=ROOT / "conf/train_asr_conformer.yaml"))
    backend = EspnetBackend(recipe_options.read(args, str(recipe.stats)), config.scope)
    config.check()
    layout = Layout(tmp_path / "exp")
    plan.check(layout, config, backend, masks.bind(layout, config, backend).names)


@pytest.mark.parametrize("name", PRESETS)
def test_runs(recipe, exp, tmp_path, name):
    beside = f"{BESIDE[name]} {exp}" if name in BESIDE else ""
    one_shot = "schedule: one_shot" in PRESETS[name].read_text()
    options = recipe.search(tmp_path / name, "--lottery_conf", str(PRESETS[name]))
    options[options.index("--lottery_args") + 1] = (
        f"--rounds 1 {'' if one_shot else '--rate 0.4'} {SMALLER.get(name, '')} {beside}")
    if name not in OWN_DENSE:
        options += ["--dense_model", str(exp / "round_00")]
    assert cli.main(find, options) == 0
    layout = Layout(tmp_path / name)
    assert {what: found for what, found in check(layout.folder, load_state).items() if found} == {}
    dense, row = Ledger(layout.ledger).rows
    assert row["nonzero_whole"] < dense["nonzero_whole"] and row["search_steps"] is not None
