"""export and share over a real search: what a stranger gets, and that it works there."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from audio_lottery.bin import cli, decode, export, find, share, transcribe
from audio_lottery.espnet.models import averaged_model_file, load_state
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask


@pytest.fixture(scope="module")
def scored(exp, tmp_path_factory) -> Path:
    """A copy of the search with scores, as score writes them, and the report's commands."""
    folder = tmp_path_factory.mktemp("scored") / "exp" / "imp"
    shutil.copytree(exp, folder, symlinks=True)
    for number, wer in enumerate((20.0, 30.0, 25.0)):
        score = {"wer": wer, "ci": [wer - 5, wer + 5], "p_worse": 0.4, "matches": number < 2, "scorer": "sclite"}
        for name in ("dev", "test"):
            Ledger(folder).record_score(number, "greedy", name, score)
    (folder / "report").mkdir()
    (folder / "report/RESULTS.md").write_text("```sh\n/home/me/tool/run.sh --rounds 2\n```\n")
    return folder


def test_export_of_the_extreme_ticket(scored, capsys):
    assert cli.main(export, [str(scored), "--onnx", "false", "--json"]) == 0
    files = json.loads(capsys.readouterr().out)
    assert [one["file"] for one in files] == [f"round_01_{values}.ticket" for values in ("fp32", "fp16", "int8")]
    out = scored / "export" / "round_01"
    assert [one["bytes"] for one in files] == [(out / one["file"]).stat().st_size for one in files]
    assert files[0]["error"] == 0 < files[1]["error"] < 1e-3 and files[0]["bytes"] > files[2]["bytes"]
    assert json.loads((out / "export.json").read_text()) == {"files": files}


def test_onnx_files_are_exported_again(scored, capsys):
    if not importlib.util.find_spec("onnxruntime") or not importlib.util.find_spec("onnxscript"):
        pytest.skip("onnxruntime and onnxscript are not installed")
    for _ in range(2):
        assert cli.main(export, [str(scored), "--round", "2"]) == 0
    assert "onnx/*.onnx: " in capsys.readouterr().out
    last = json.loads((scored / "export/round_02/export.json").read_text())["files"][-1]
    written = sum(path.stat().st_size for path in (scored / "export/round_02/onnx").glob("*.onnx"))
    assert (last["file"], last["bytes"]) == ("onnx/*.onnx", written) and last["error"] < 1e-3


@pytest.fixture(scope="module")
def shared(scored, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("hub") / "model"
    assert cli.main(share, [str(scored), "--round", "2", "--out", str(out), "--name", "digits", "--license", "cc0-1.0",
                            "--language", "en", "--datasets", "eSpeak digits"]) == 0
    return out


def test_the_folder_names_no_path_of_this_machine(shared, scored, exp):
    texts = [path for path in shared.rglob("*") if path.suffix in (".yaml", ".md", ".txt")]
    assert len(texts) >= 6
    for path in texts:
        text = path.read_text()
        assert not re.search(r"/(tmp|home|root|work)/", text), path


def test_the_card_says_what_the_ledger_says(shared, scored):
    text = (shared / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert (front["license"], front["language"], front["datasets"]) == ("cc0-1.0", "en", ["eSpeak digits"])
    assert front["model-index"][0]["results"][0]["metrics"] == [{"type": "wer", "value": 25.0}]
    density = Ledger(scored).get(2)["density_whole"]
    row = f"| this ticket (round 2) | {100 * density:.1f} | 25.0 [20.0, 30.0] | 25.0 [20.0, 30.0] | 0.400 | 0.400 |"
    assert row in text
    assert f"{(shared / 'ticket/model.ticket').stat().st_size:,} bytes" in text
    assert "run.sh --rounds 2\n```" in text


def test_espnet_decodes_the_packed_model_as_the_round(shared, exp, recipe, decode_config, tmp_path):
    """By ESPnet's own unpack and inference, elsewhere than where it was packed."""
    script = ("import sys; from espnet2.main_funcs.pack_funcs import unpack; d = unpack(sys.argv[1], sys.argv[2]); "
              "print(d['asr_train_config'], d['asr_model_file'])")
    done = subprocess.run([sys.executable, "-c", script, shared / "digits.zip", tmp_path / "un"], check=True, text=True,
                          capture_output=True)
    config, model = done.stdout.split()
    subprocess.run([sys.executable, "-m", "espnet2.bin.asr_inference", "--config", decode_config, "--output_dir",
                    tmp_path / "out", "--asr_train_config", config, "--asr_model_file", model,
                    "--data_path_and_name_and_type", f"{recipe.dump}/test/wav.scp,speech,sound"],
                   check=True, capture_output=True)
    own = load_state(averaged_model_file(exp / "round_02"))
    there = torch.load(model, weights_only=True)
    assert all(torch.equal(value, there[name]) for name, value in own.items())
    for more in ([], ["--merge"]):
        assert cli.main(decode, [str(exp), "--inference_config", str(decode_config), "--data", str(recipe.dump),
                                 "--sets", "test", "--rounds", "2", "--tag", "for_share", *more]) == 0
    stock = sorted((tmp_path / "out/1best_recog/text").read_text().splitlines())
    assert stock == (exp / "round_02/decode_for_share/test/text").read_text().splitlines()


def test_the_engine_reads_the_ticket(shared, recipe, capsys):
    audio = sorted(line.split()[1] for line in (recipe.dump / "test/wav.scp").read_text().splitlines())[0]
    assert cli.main(transcribe, [str(shared / "ticket/model.ticket"), audio]) == 0


def test_the_source_trains_the_ticket_elsewhere(shared, exp, recipe, tmp_path):
    there = tmp_path / "elsewhere"
    assert cli.main(find, [str(there), *recipe.options(), "--stats", str(recipe.stats), "--source_ticket",
                           str(shared / "source"), "--source_round", "2", "--asr_args=--max_epoch 1"]) == 0
    assert Mask.load(there / "masks/round_01.safetensors") == Mask.load(exp / "masks/round_02.safetensors")
    assert (there / "theta0.safetensors").exists()


@pytest.mark.parametrize(("argv", "named"), [
    (["--round", "7"], "no round 7: give extreme, best or one of its rounds (0, 1, 2)"),
    (["--name", "../x"], "--name ../x: not the name of a file"),
])
def test_bad_input_is_one_line(scored, tmp_path, argv, named, capsys):
    assert cli.main(share, [str(scored), "--out", str(tmp_path / "x"), *argv]) == 1
    error = capsys.readouterr().err
    assert named in error and error.count("\n") == 1


def test_a_full_folder_is_left_alone(scored, tmp_path, capsys):
    (tmp_path / "mine").write_text("x")
    assert cli.main(share, [str(scored), "--out", str(tmp_path)]) == 1
    assert "not an empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
