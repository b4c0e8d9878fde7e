"""``audio-lottery parity``: the engine's text against that of ESPnet's own modules, on a trained search."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from audio_lottery.bin import cli, parity
from audio_lottery.engine import build
from audio_lottery.espnet.models import averaged_model_file


@pytest.fixture(scope="module", autouse=True)
def engine():
    try:
        build.build()
    except build.BuildError as error:
        pytest.skip(f"the engine cannot be built here: {error}")


def rows(capsys, exp, recipe, *more) -> list[dict]:
    capsys.readouterr()
    assert cli.main(parity, [str(exp), "--data", str(recipe.dump), "--sets", "dev", "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_ticket_says_what_espnet_says(exp, recipe, capsys):
    found = rows(capsys, exp, recipe, "--rounds", "0", "2")
    assert [(row["round"], row["set"], row["utterances"], row["search"]) for row in found] == [
        (0, "dev", 6, "greedy"), (2, "dev", 6, "greedy")]
    for row in found:
        assert row["espnet"]["errors"] > 0  # a model this small makes some
        exact = row["values"]["fp32"]
        assert exact["different"] == [] and exact["wer"] == row["espnet"]["wer"]
        assert 0 < exact["encoder"] < 1e-4 and exact["features"] < 1e-3
        assert row["values"]["int8"]["encoder"] > exact["encoder"]
        assert row["values"]["int8"]["features"] == exact["features"]  # mel filters are not rounded
    small, large = (found[1]["values"][name]["file_bytes"] for name in ("int8", "fp32"))
    assert small < large < found[0]["values"]["fp32"]["file_bytes"]


def test_another_text_is_counted_and_shown(exp, recipe, capsys, monkeypatch):
    """An engine that hears a word too much."""
    from audio_lottery.engine.recogniser import Recogniser

    kept = Recogniser.text
    monkeypatch.setattr(Recogniser, "text", lambda self, tokens: f"{kept(self, tokens)} NINE".strip())
    (row,) = rows(capsys, exp, recipe, "--rounds", "2", "--values", "fp32")
    different = row["values"]["fp32"]["different"]
    assert [one["engine"] for one in different] == [f"{one['espnet']} NINE".strip() for one in different]
    assert len(different) == 6 and all(one["reference"] for one in different)
    assert cli.main(parity, [str(exp), "--data", str(recipe.dump), "--sets", "dev", "--rounds", "2", "--values",
                             "fp32"]) == 0
    shown = capsys.readouterr().out
    assert all(f"fp32 {one['utterance']}: ESPnet {one['espnet']!r}" in shown for one in different)


def test_what_the_inference_command_said_before_stands_beside(exp, recipe, tmp_path, capsys):
    """One of its texts has a word more; ESPnet's networks do not say it, so the search is to blame."""
    shutil.copytree(exp, tmp_path / "exp", symlinks=True)
    (plain,) = rows(capsys, tmp_path / "exp", recipe, "--rounds", "2", "--values", "fp32")
    assert plain["inference"] == {}
    said = {line.split()[0]: " ".join(line.split()[1:]) for line in (recipe.dump / "dev/text").open()}
    decoded = tmp_path / "exp/round_02/decode_asr/dev"
    decoded.mkdir(parents=True)
    (decoded / "text").write_text("".join(f"{utterance} {words}\n" for utterance, words in said.items()))
    (row,) = rows(capsys, tmp_path / "exp", recipe, "--rounds", "2")
    found = row["inference"]["asr"]
    assert found["errors"] == 0 and row["espnet"]["errors"] == plain["espnet"]["errors"] > 0
    assert found["different"] and found["of_search"] == len(found["different"])
    assert all(one["espnet"] == one["reference"] == said[one["utterance"]] for one in found["different"])
    assert row["dense_bytes"] == round(row["values"]["int8"]["file_bytes"] * row["values"]["int8"]["times_smaller"])
    assert cli.main(parity, [str(tmp_path / "exp"), "--data", str(recipe.dump), "--sets", "dev", "--rounds", "2"]) == 0
    shown = capsys.readouterr().out
    assert f"decode_asr {found['different'][0]['utterance']}: ESPnet" in shown
    assert sorted(decoded.iterdir()) == [decoded / "text"]  # nothing is written to the search
    (decoded / "text").write_text("other one\n")
    assert cli.main(parity, [str(tmp_path / "exp"), "--data", str(recipe.dump), "--sets", "dev", "--rounds", "2"]) == 1
    assert "no hypothesis for" in capsys.readouterr().err


def test_several_searches_by_the_script(exp, recipe, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    import parity as script

    monkeypatch.setattr("sys.argv", ["parity.py", str(exp), str(exp), "--round", "1", "--set", "dev", "--data",
                                     str(recipe.dump)])
    script.main()
    *_, last = capsys.readouterr().out.splitlines()
    found = json.loads(last)["rows"]
    assert [(row["model"], row["exp"], row["round"], row["set"]) for row in found] == [
        ("Conformer, CTC", exp.name, 1, "dev")] * 2
    assert found[0] == found[1] and found[0]["values"]["fp32"]["different"] == []


def test_a_model_that_the_engine_cannot_run_is_named(exp, recipe, tmp_path, capsys):
    shutil.copytree(exp, tmp_path / "exp", symlinks=True)
    config = tmp_path / "exp/round_02/config.yaml"
    text = config.read_text()
    assert "encoder_conf:\n" in text
    config.write_text(text.replace("encoder_conf:\n", "encoder_conf:\n    concat_after: true\n"))
    (row,) = rows(capsys, tmp_path / "exp", recipe, "--rounds", "2")
    assert "concat_after" in row["refused"] and "ONNX" in row["refused"]


def test_too_short_an_utterance_is_empty_for_both(exp, recipe, tmp_path, capsys):
    import soundfile

    data = tmp_path / "dump" / "dev"
    data.mkdir(parents=True)
    soundfile.write(tmp_path / "a.wav", np.zeros(400, np.float32), 8000)
    for name, line in (("wav.scp", f"a {tmp_path / 'a.wav'}"), ("text", "a zero"), ("utt2spk", "a a"),
                       ("feats_type", "raw")):
        (data / name).write_text(line + "\n")
    assert cli.main(parity, [str(exp), "--data", str(tmp_path / "dump"), "--sets", "dev", "--rounds", "2", "--values",
                             "fp32", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["values"]["fp32"]["different"] == [] and row["espnet"] == {"wer": 100.0, "errors": 1}


def test_bad_input(exp, recipe, capsys):
    command = [str(exp), "--data", str(recipe.dump), "--sets", "dev", "--rounds"]
    assert cli.main(parity, [*command, "7"]) == 1
    assert "--rounds 7: not a finished round" in capsys.readouterr().err
    assert cli.main(parity, [*command, "2", "--beam_size", "4"]) == 1
    assert "leave --beam_size at 1" in capsys.readouterr().err


def test_the_reference_is_the_saved_model(exp):
    from audio_lottery.espnet.greedy import Reference

    path = averaged_model_file(exp / "round_02")
    model = Reference(exp / "round_02", "asr", path).model
    saved = torch.load(path, weights_only=True)
    assert all(value.equal(saved[name]) for name, value in model.state_dict().items())
