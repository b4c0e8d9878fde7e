"""Grid files: what they mean, and which are refused."""

from pathlib import Path

import pytest
import yaml

from audio_lottery import config_file
from audio_lottery.errors import LotteryError
from audio_lottery.grid.cells import read

ROOT = Path(__file__).resolve().parents[2]
FSDD = ROOT / "egs2/fsdd/asr1"


def write(folder, options=None, **axes):
    path = folder / "g.yaml"
    path.write_text(yaml.safe_dump({"options": options, "axes": axes}, sort_keys=False))
    return path


def test_a_cell_for_each_combination_with_readable_names(tmp_path):
    path = write(tmp_path, {"stage": 5, "lottery_args": "--rounds 2", "use_ngram": True},
                 corpus={"fsdd": {"expdir": "exp/theo"}, "an4": {"recipe": "../../an4/asr1"}}, seed=[0, 1],
                 method={"imp": {"lottery_args": "--rate 0.5"}, "gmp": {"stage": 6}})
    cells = {cell.name: cell for cell in read(path)}
    assert list(cells) == [f"{corpus}_seed{seed}_{method}" for corpus in ("fsdd", "an4") for seed in (0, 1)
                           for method in ("imp", "gmp")]
    assert cells["fsdd_seed0_imp"].command == [
        "./run.sh", "--stage=5", "--lottery_args=--rounds 2 --rate 0.5", "--use_ngram=true", "--expdir=exp/theo",
        "--asr_tag=g/fsdd_seed0_imp"]
    assert cells["an4_seed1_gmp"].options["stage"] == "6"
    assert cells["fsdd_seed0_imp"].exp == Path("exp/theo/g/fsdd_seed0_imp")
    assert cells["an4_seed1_gmp"].exp == Path("../../an4/asr1/exp/g/an4_seed1_gmp")


def test_a_cell_comes_after_those_that_it_names(tmp_path):
    path = write(tmp_path, {"lottery_conf": "conf/{method}.yaml", "dense_model": "{exp:dense}/round_00"}, seed=[0, 1],
                 method={"random_ticket": {"after": "imp"}, "imp": None, "dense": {"dense_model": None}})
    cells = read(path)
    assert [cell.name for cell in cells[:3]] == ["seed0_dense", "seed0_imp", "seed0_random_ticket"]
    assert cells[2].needs == ("seed0_imp", "seed0_dense")
    assert cells[2].options["dense_model"] == "exp/g/seed0_dense/round_00"
    assert cells[2].options["lottery_conf"] == "conf/random_ticket.yaml"
    assert "after" not in cells[2].options and "dense_model" not in cells[0].options


def test_a_folder_of_another_recipe_is_named_as_seen_from_the_cells(tmp_path):
    path = write(tmp_path, None, corpus={"a": None, "b": {"recipe": "../b", "source_ticket": "{exp:a}"}})
    assert read(path)[1].options["source_ticket"] == f"../{Path.cwd().name}/exp/g/a"


def test_a_value_may_stand_beside_some_values_of_others_only(tmp_path):
    path = write(tmp_path, None, method={"imp": None, "gmp": {"only": "0 2 a"}}, seed=[0, 1, 2], corpus=["a", "b"])
    assert [cell.name for cell in read(path) if cell.at["method"] == "gmp"] == ["gmp_seed0_a", "gmp_seed2_a"]
    assert len(read(path)) == 8 and "only" not in read(path)[-1].options


def test_options_of_the_command_line_win(tmp_path):
    path = write(tmp_path, {"nj": 4}, method={"imp": {"nj": 3}})
    assert read(path, {"nj": "2"})[0].options["nj"] == "2"


def test_data_is_prepared_before_all_cells_and_one_call_at_a_time(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path, {"stage": 5, "fs": 8000, "asr_args": "--seed {seed}", "dense_model": "{exp:dense}"},
                 seed=[0], method={"imp": None, "dense": {"dense_model": None}})
    grid = yaml.safe_load(path.read_text()) | {"given": ["a_root", "b_root"], "prepare": {
        "a": {"recipe": "../a", "stage": 1, "a_root": "{a_root}"}, "b": {"stage": 2, "b_root": "{b_root}"}}}
    path.write_text(yaml.safe_dump(grid, sort_keys=False))
    cells = read(path, {"a_root": "some where", "nj": "3"})
    assert [(cell.name, cell.needs) for cell in cells] == [
        ("a", ()), ("b", ("a",)), ("seed0_dense", ("b",)), ("seed0_imp", ("b", "seed0_dense"))]
    assert cells[0].command == ["./run.sh", "--stage=1", "--fs=8000", f"--a_root={tmp_path}/some where", "--nj=3",
                                "--asr_tag=g/a"]
    assert cells[1].command == ["./run.sh", "--stage=2", "--fs=8000", "--nj=3", "--asr_tag=g/b"]
    assert cells[0].recipe == Path("../a") and "a_root" not in cells[3].options


@pytest.mark.parametrize("more, named", [
    ({"given": "a_root"}, "given: a list of options is expected"),
    ({"prepare": ["../x"]}, "prepare: '../x' can't stand in a folder's name"),
    ({"prepare": {"a": {"fs": "{seed}"}}}, "a: {seed}: no axis of this name: there are prepare"),
    ({"prepare": {"imp": None}}, "two cells have one name"),
])
def test_bad_preparations_are_one_line(tmp_path, more, named):
    path = tmp_path / "g.yaml"
    path.write_text(yaml.safe_dump({"axes": {"method": ["imp"]}, **more}))
    with pytest.raises(LotteryError, match=named):
        read(path)


@pytest.mark.parametrize("options, axes, named", [
    (None, {}, "axes: nothing to combine"),
    ({"asr_tag": "x"}, {"seed": [0]}, "options: asr_tag: the grid names"),
    ({"--stage": 5}, {"seed": [0]}, "'--stage' is no option of run.sh"),
    ({"stage": [5]}, {"seed": [0]}, "stage: .*write one value"),
    (None, {"method": ["$(x)"]}, "axes: method: .* can't stand in a folder's name"),
    (None, {"method": ["../x"]}, "can't stand in a folder's name"),
    (None, {"method": "imp"}, "axes: method: a list of values"),
    ({"asr_args": "{speed}"}, {"seed": [0]}, "seed0: {speed}: no axis of this name: there are seed"),
    ({"dense_model": "{exp:dense}"}, {"method": ["imp"]}, "imp: needs dense, which is no value of an axis"),
    ({"after": "imp"}, {"method": ["imp", "gmp"]}, "imp: needs imp, which is the cell itself"),
    (None, {"method": {"imp": {"only": 7}}, "seed": [0]}, "imp_seed0: only 7, which is no value of an axis"),
    (None, {"method": {"imp": {"only": 0}, "gmp": {"after": "imp"}}, "seed": [0, 1]},
     "gmp_seed1: needs imp_seed1, which the grid leaves out: change its 'only'"),
    ({"dense_model": "{exp:imp}"}, {"method": {"imp": {"only": 0, "dense_model": None}, "gmp": None}, "seed": [0, 1]},
     "gmp_seed1: needs imp_seed1, which the grid leaves out"),
    (None, {"method": {"a": {"after": "b"}, "b": {"after": "a"}}}, "cells need each other: . after . after ."),
    (None, {"a": ["x_y", "x"], "b": ["z", "y_z"]}, "two cells have one name"),
])
def test_bad_grids_are_one_line(tmp_path, options, axes, named):
    path = write(tmp_path, options, **axes)
    with pytest.raises(LotteryError, match=named) as error:
        read(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_unknown_keys_are_refused(tmp_path):
    path = tmp_path / "g.yaml"
    path.write_text("axis: {seed: [0]}\n")
    with pytest.raises(LotteryError, match="unknown key axis: known keys: axes, given, options, prepare"):
        read(path)


def test_the_methods_of_fsdd_have_configurations_that_hold(monkeypatch):
    monkeypatch.chdir(FSDD)
    cells = read("conf/grid_methods.yaml")
    assert len(cells) == 32
    for cell in cells:
        path = Path(cell.options["lottery_conf"])
        made = config_file.load(path if path.exists() else ROOT / path, cell.options["lottery_args"])
        assert (made.rate, made.rounds, str(made.seed)) == (0.5, 4, cell.at["seed"]), cell.name
        assert cell.options["asr_args"] == f"--seed {cell.at['seed']}"


@pytest.mark.parametrize("grid, count, rate", [("backbones", 2 * 3 * 4, 0.36), ("wide", 3 * 4, 0.5)])
def test_the_controls_of_fsdds_backbones_are_of_one_round_of_their_own_search(grid, count, rate, monkeypatch):
    monkeypatch.chdir(FSDD)
    cells = read(f"conf/grid_{grid}.yaml")
    by_name = {cell.name: cell for cell in cells}
    assert len(cells) == count
    for cell in cells:
        made = config_file.load(ROOT / cell.options["lottery_conf"], cell.options["lottery_args"])
        assert (made.rate, str(made.seed)) == (rate, cell.at["seed"]), cell.name
        decode = cell.options["inference_config"]
        assert (ROOT / decode).exists() or (FSDD / decode).exists()
        assert (FSDD / cell.options["asr_config"]).exists()
        if cell.at["method"] != "imp":
            own = by_name["_".join([f"seed{cell.at['seed']}", *filter(None, [cell.at.get("backbone")]), "imp"])]
            assert cell.options["dense_model"].endswith(f"{own.name}/round_00") and own.name in cell.needs
            assert len(made.only_rounds) == 1
            assert (made.masks_from or made.small_dense or own.name).endswith(own.name)


def configured(cell, rounds=4):
    """A cell's ESPnet configuration, once its search's settings hold."""
    path = Path(cell.options.get("lottery_conf", "conf/lottery/imp.yaml"))
    made = config_file.load(ROOT / path, cell.options["lottery_args"])
    assert (made.rate, made.rounds) == (0.5, rounds), cell.name
    path = cell.recipe / cell.options["asr_config"]
    return yaml.safe_load(path.read_text())


def test_the_noise_of_fsdd_is_heard_by_two_backbones(monkeypatch):
    monkeypatch.chdir(FSDD)
    first, second, *cells = read("conf/grid_noise.yaml", {"fsdd_root": "x", "noise_root": "y"})
    assert [(one.options["stop_stage"], one.options.get("train_snr")) for one in (first, second)] == [
        ("4", None), ("4", "0 20")]
    assert {(cell.at["seed"], cell.at["backbone"], cell.options.get("train_snr")) for cell in cells} == {
        (seed, backbone, snr) for seed in "01" for backbone in ("conformer", "ds2") for snr in (None, "0 20")}
    fronts = [configured(cell)["frontend_conf"] for cell in cells]
    assert all(front == fronts[0] for front in fronts)  # they share features
    for cell in (first, second, *cells):
        assert cell.options["test_snrs"] == "10 5 0 -5" and cell.options["noise_root"] == "y"


@pytest.mark.parametrize("recipe, source, data", [
    ("speechocean762", "egs2/fsdd/asr1", "egs2/fsdd/asr1/data/test_theo_dev_nicolas"), ("fsdd", ".", "data")])
def test_transfers_begin_from_a_search_of_the_same_model_under_another_seed(monkeypatch, recipe, source, data):
    here = ROOT / f"egs2/{recipe}/asr1"
    monkeypatch.chdir(here)
    cells = {cell.name: cell for cell in read("conf/grid_transfer.yaml", {"fsdd_root": "x"})}
    for seed in (0, 1):
        own, found, ticket, mask = (cells[f"seed{seed}_{name}"]
                                    for name in ("own", "source", "transferred", "transferred_mask"))
        assert found.recipe.resolve() == (ROOT / source).resolve() and found.options["stop_stage"] == "6"
        assert found.options["asr_args"].startswith(f"--seed {seed} --seed 1{seed}")  # the last one holds
        for part in ("frontend_conf", "encoder_conf", "model_conf"):
            assert configured(found)[part] == configured(own)[part]
        taken = (here / ticket.options["source_ticket"]).resolve()
        assert taken == (ROOT / source / found.options["expdir"] / found.options["asr_tag"]).resolve()
        assert mask.options["source_weights"] == "false" and mask.options["lottery_args"].endswith("--restart fresh")
        assert {own.name, found.name} <= set(mask.needs) and found.name in ticket.needs
        tokens = {(here / cell.options["token_list"]).resolve() for cell in (own, ticket, mask)}
        assert tokens == {ROOT / data / "token_list/word/tokens.txt"}
    prepared = [cell for cell in cells.values() if "prepare" in cell.at]
    assert [cell.options["stage"] + cell.options["stop_stage"] for cell in prepared] == ["14", "14"]
    assert {str(Path.cwd() / "x")} == {cell.options["fsdd_root"] for cell in cells.values()
                                       if "fsdd_root" in cell.options}
