"""A search from a trained model: imported as round 0, bit for bit, or refused with the reason."""

import io
import json
import shutil
import tarfile
import zipfile

import pytest
import torch
import yaml
from espnet2.bin import pack

from audio_lottery import snapshot
from audio_lottery.bin import check, cli, decode, find, score
from audio_lottery.espnet.models import load_state
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask

ONE_EPOCH = ["--asr_args", "--max_epoch 1 --keep_nbest_models 1"]
ONE_ROUND = ["--lottery_args", "--rounds 1 --rate 0.4 --restart learning_rate"]


@pytest.fixture
def searched(recipe, tmp_path, capsys):
    """Run a search from a model in a folder of its own; its Layout, or the one line that refuses it."""

    def run(*more: object, config=None):
        exp = tmp_path / "new"
        failed = cli.main(find, [*recipe.search(exp, config=config), *map(str, more)])
        said = capsys.readouterr().err
        assert bool(failed) == (said.count("error:") == 1) and "Traceback" not in said, said
        return said if failed else Layout(exp)

    return run


@pytest.fixture
def stock(exp, tmp_path):
    """The dense model as ESPnet alone leaves it: no search around it, no kept initial weights."""
    folder = tmp_path / "asr_train"
    shutil.copytree(exp / "round_00", folder, symlinks=True)
    for name in ("start.json", "steps.json", "done.json"):
        (folder / name).unlink()
    return folder


def model_of(folder):
    return snapshot.digests(load_state(folder / "valid.loss.ave.pth"))


def test_a_search_goes_on_from_its_own_dense_model_as_if_it_had_trained_it(recipe, exp, searched, same_search):
    new = searched("--dense_model", exp / "round_00")
    for number in (1, 2):
        assert Mask.load(new.mask(number)) == Mask.load(Layout(exp).mask(number))
        assert model_of(new.round(number)) == model_of(exp / f"round_{number:02d}")
    assert snapshot.digests(snapshot.load(new.theta0)) == snapshot.digests(snapshot.load(Layout(exp).theta0))
    kinds = ("steps", "search_steps", "search_dense_equivalent_steps")  # what the search costs is known too
    for row in Ledger(Layout(exp).ledger).rows:
        assert [Ledger(new.ledger).get(row["round"])[kind] for kind in kinds] == [row[kind] for kind in kinds]


def test_round_0_is_an_ordinary_experiment(recipe, stock, exp, searched, decode_config, capsys):
    new = searched("--dense_model", stock, *ONE_EPOCH, *ONE_ROUND)
    assert model_of(new.round(0)) == model_of(stock)
    last = load_state(stock / "latest.pth")
    assert snapshot.digests(load_state(new.round(0) / "latest.pth")) == snapshot.digests(last)
    row = Ledger(new.ledger).get(0)
    assert row["imported"]["from"] == str(stock) and row["epochs"] == 3 and row["valid"]["loss"] > 0
    start = json.loads((new.round(1) / "start.json").read_text())["tensors"]
    Mask.load(new.mask(1)).apply_(last)
    assert start == snapshot.digests(last)
    assert cli.main(check, [str(new.folder)]) == 0
    assert "note round 0 was taken from" in capsys.readouterr().out
    texts = []
    for one in (exp, new.folder):
        command = [str(one), "--inference_config", str(decode_config), "--data", str(recipe.dump), "--sets", "test",
                   "--rounds", "0", "--tag", "imported"]
        assert cli.main(decode, command) == 0 and cli.main(decode, [*command, "--merge"]) == 0
        texts.append((one / "round_00/decode_imported/test/token").read_text())
    assert texts[0] == texts[1]
    shutil.rmtree(exp / "round_00/decode_imported")
    assert cli.main(score, [str(new.folder), "--sets", "test", "--refs", str(recipe.dump), "--inference_tag",
                            "imported"]) == 0
    assert "is not as in" not in capsys.readouterr().err


def test_a_changed_import_is_found(stock, searched, capsys):
    new = searched("--dense_model", stock, "--last_round", "0", *ONE_ROUND)
    path = new.round(0) / "valid.loss.ave.pth"
    state = load_state(path)
    state["ctc.ctc_lo.bias"] += 1
    torch.save(state, path)
    assert cli.main(check, [str(new.folder)]) == 1
    assert "ctc.ctc_lo.bias is not as in" in capsys.readouterr().err


@pytest.mark.parametrize("ending", ["zip", "tgz", "tar"])
def test_a_packed_model(stock, tmp_path, searched, ending):
    archive = tmp_path / f"packed.{ending}"
    model = (stock / "valid.loss.ave.pth").resolve()
    pack.main(["asr", "--asr_train_config", str(stock / "config.yaml"), "--asr_model_file", str(model),
               "--outpath", str(archive)])
    new = searched("--dense_model", archive, "--last_round", "0", *ONE_ROUND)
    assert model_of(new.round(0)) == model_of(stock)
    assert sorted(path.name for path in new.round(0).glob("*.pth")) == ["latest.pth", "valid.loss.ave.pth"]
    assert Ledger(new.ledger).get(0)["valid"] == {}
    assert "round 0 of this search is" in searched("--dense_model", stock / "latest.pth", *ONE_ROUND)


def test_weights_to_rewind_to(stock, exp, searched):
    new = searched("--dense_model", stock, "--theta0", Layout(exp).theta0, *ONE_EPOCH, "--lottery_args", "--rounds 1")
    assert cli.main(check, [str(new.folder)]) == 0


@pytest.mark.parametrize("restart, why", [
    ("--restart rewind", "its initial weights are not kept, which restart: rewind needs: name their file (--theta0)"),
    ("--restart finetune --prune_from init", "which prune_from: init needs"),
    ("--restart learning_rate --criterion movement", "which criterion: movement needs"),
])
def test_initial_weights_that_nobody_kept(stock, searched, restart, why):
    assert why in searched("--dense_model", stock, "--lottery_args", restart)


def test_a_learning_rate_that_nobody_kept(stock, searched):
    (stock / "checkpoint.pth").unlink()
    assert "take restart: learning_rate" in searched("--dense_model", stock, "--lottery_args", "--restart finetune")


def test_a_checkpoint_that_is_none(stock, searched):
    torch.save({"model": 3}, stock / "checkpoint.pth")
    assert "checkpoint.pth: not a checkpoint of ESPnet's" in searched("--dense_model", stock, *ONE_ROUND)


def test_a_moment_that_nobody_kept(exp, searched):
    said = searched("--dense_model", exp / "round_00", "--lottery_args", "--rewind 2ep")
    assert "thetak.safetensors holds nothing: take rewind: 0" in said


@pytest.mark.parametrize("change, why", [
    ({"version": "202511"}, "trained by ESPnet 202511, this is 202611"),
    ({"token_list": ["<blank>", "<unk>", "a", "<sos/eos>"]}, "its token 2 is 'a', --token_list has"),
    ({"encoder": "transformer"}, "its encoder is transformer, --asr_config has conformer"),
    ({"token_list": None}, "has no token_list"),
])
def test_a_model_of_another_kind(stock, searched, change, why):
    config = yaml.safe_load((stock / "config.yaml").read_text())
    (stock / "config.yaml").write_text(yaml.safe_dump({**config, **change}))
    assert why in searched("--dense_model", stock, *ONE_ROUND)


def test_the_same_written_otherwise(stock, searched):
    config = yaml.safe_load((stock / "config.yaml").read_text())
    config["frontend_conf"]["fs"] = "8k"
    config["encoder_conf"] |= {"padding_idx": -1, "dropout_rate": 0.3}
    (stock / "config.yaml").write_text(yaml.safe_dump(config))
    assert searched("--dense_model", stock, "--last_round", "0", *ONE_ROUND).finished() == [0]


@pytest.mark.parametrize("conf, why", [
    ({"activation_type": "relu"}, "its encoder_conf.activation_type is swish, --asr_config has relu"),
    ({"linear_units": 24}, ".weight is [32, 16] there, [24, 16] here"),
])
def test_a_recipe_of_another_kind(recipe, stock, tmp_path, searched, conf, why):
    values = yaml.safe_load(recipe.config.read_text())
    values["encoder_conf"] |= conf
    config = tmp_path / "other.yaml"
    config.write_text(yaml.safe_dump(values))
    assert why in searched("--dense_model", stock, *ONE_ROUND, config=config)


def test_tensors_that_differ_are_named(stock, searched):
    path = stock / "valid.loss.ave.pth"
    state = load_state(path)
    state["encoder.new"] = state.pop("ctc.ctc_lo.bias")
    torch.save(state, path.resolve())
    said = searched("--dense_model", stock, *ONE_ROUND)
    assert "another architecture: ctc.ctc_lo.bias is none there" in said and "encoder.new is [" in said


def archive_of(path, files: dict[str, bytes], link: str = ""):
    """A zip or tar with these members; ``link`` is a symbolic one, in a tar."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return path
    with tarfile.open(path, "w") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            if name == link:
                info.type, info.linkname, info.size = tarfile.SYMTYPE, "/etc/passwd", 0
            archive.addfile(info, io.BytesIO(data))
    return path


META = yaml.safe_dump({"files": {"asr_model_file": "m.pth"}, "yaml_files": {"asr_train_config": "c.yaml"}}).encode()


@pytest.mark.parametrize("ending", ["zip", "tar"])
@pytest.mark.parametrize("files, link, why", [
    ({}, "", "has no meta.yaml"),
    ({"meta.yaml": b"!!python/object/apply:os.system ['touch x']"}, "", "meta.yaml is not a YAML mapping"),
    ({"meta.yaml": b"files: {}\n"}, "", "names no asr_train_config"),
    ({"meta.yaml": META, "c.yaml": b"a: 1\n"}, "", "m.pth of meta.yaml is not in it"),
    ({"meta.yaml": META, "c.yaml": b"a: 1\n", "m.pth": b"cos\nsystem\n(S'touch x'\ntR."}, "", "not a model file"),
    ({"meta.yaml": META, "c.yaml": b"", "m.pth": bytes(80 << 20)}, "", "m.pth has 83886080 bytes, at most"),
    ({"meta.yaml": META, "c.yaml": b"", "m.pth": b""}, "m.pth", "m.pth is no plain file"),
])
def test_hostile_archives(searched, tmp_path, monkeypatch, ending, files, link, why):
    if link and ending == "zip":
        pytest.skip("a zip's links are read as the text they are")
    monkeypatch.chdir(tmp_path)
    path = archive_of(tmp_path / f"bad.{ending}", files, link)
    assert why in searched("--dense_model", path, *ONE_ROUND)
    path.write_bytes(path.read_bytes()[:100])
    assert "bad" in searched("--dense_model", path, *ONE_ROUND)
    assert sorted(one.name for one in tmp_path.iterdir()) == [path.name]
