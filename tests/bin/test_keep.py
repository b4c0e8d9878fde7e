"""audio-lottery keep, as a user calls it."""

import json

import pytest
import yaml

from audio_lottery.bin import cli, keep
from audio_lottery.commands import remember
from audio_lottery.fileio import read_json, write_json, write_jsonl, write_text
from audio_lottery.ledger import Ledger


@pytest.fixture
def exp(tmp_path):
    folder = tmp_path / "recipe" / "exp" / "split" / "imp"
    for number in range(2):
        model = str(folder / "round_00" / "model.pth")
        Ledger(folder / "rounds.jsonl").record(number, density_scope=0.8**number, density_whole=0.9**number,
                                               imported={"model": model, "theta0": "/data/models/theta0.safetensors"})
        score = {"wer": 10.0, "errors": 1, "words": 10, "ci": [8.0, 12.0], "p_worse": 0.5, "matches": True}
        Ledger(folder).record_score(number, "greedy", "dev", score)
        Ledger(folder).record_score(number, "greedy", "test", score)
    write_jsonl(folder / "errors.jsonl", [{"inference": "greedy", "set": "test", "utterances": ["a"], "words": [10]}])
    write_text(folder / "lottery.yaml", "rate: 0.2\nscope: {exclude: ['(^|/)a/b']}\n")
    write_text(folder / "training.yaml", "token_list: /home/me/data/tokens.txt\n")
    write_text(folder / "report" / "RESULTS.md", "# imp\n\n```sh\nrun.sh --fsdd_root '/home/me/fsdd' --rounds 3\n```\n")
    return folder


def test_keeps_what_results_need_without_paths(exp, tmp_path, capsys):
    out = tmp_path / "results" / "imp_seed0"
    assert cli.main(keep, [str(exp), str(out)]) == 0
    names = ["rounds.jsonl", "errors.jsonl", "lottery.yaml", "training.yaml", "commands.txt"]
    assert capsys.readouterr().out.split() == [str(out / name) for name in names]
    assert Ledger(out).get(1)["imported"] == {"model": "exp/split/imp/round_00/model.pth",
                                              "theta0": "theta0.safetensors"}
    assert Ledger(out).get(1)["scores"] == Ledger(exp).get(1)["scores"]
    assert yaml.safe_load((out / "training.yaml").read_text()) == {"token_list": "tokens.txt"}
    assert yaml.safe_load((out / "lottery.yaml").read_text())["scope"]["exclude"] == ["(^|/)a/b"]
    assert (out / "commands.txt").read_text() == "run.sh --fsdd_root 'fsdd' --rounds 3\n"
    assert str(tmp_path) not in "".join(path.read_text() for path in out.iterdir())


def test_what_stored_features_are_is_kept_too(exp, tmp_path, capsys):
    data = [["dump/fbank/train/feats.scp", "speech", "kaldi_ark"]]
    write_text(exp / "training.yaml", yaml.safe_dump({"train_data_path_and_name_and_type": data}))
    conf = {"fs": 8000, "hop_length": 160}
    write_json(exp.parents[2] / "dump/fbank/train/feats.json", {"frontend_conf": conf, "features": {}})
    assert cli.main(keep, [str(exp), str(tmp_path / "kept")]) == 0
    assert read_json(tmp_path / "kept" / "features.json") == {"frontend_conf": conf}


def test_commands_of_earlier_calls_are_kept(exp, tmp_path, capsys):
    remember(exp, ["./run.sh --root /home/me/fsdd", "./run.sh --stage 7"])
    assert cli.main(keep, [str(exp), str(tmp_path / "kept")]) == 0
    assert (tmp_path / "kept" / "commands.txt").read_text() == "./run.sh --root fsdd\n./run.sh --stage 7\n"


def test_named_commands_stand_for_the_report_s(exp, tmp_path, capsys):
    assert cli.main(keep, [str(exp), str(tmp_path / "kept"), "--command", "make it", "--json"]) == 0
    assert (tmp_path / "kept" / "commands.txt").read_text() == "make it\n"
    assert str(tmp_path / "kept" / "commands.txt") in json.loads(capsys.readouterr().out)


def test_what_cannot_be_evidence_is_refused(exp, tmp_path, capsys):
    (exp / "errors.jsonl").unlink()
    assert cli.main(keep, [str(exp), str(tmp_path / "kept")]) == 1
    assert "run audio-lottery score on this search again" in capsys.readouterr().err
    (exp / "rounds.jsonl").unlink()
    assert cli.main(keep, [str(exp), str(tmp_path / "kept")]) == 1
    error = capsys.readouterr().err
    assert "nothing is scored" in error and error.count("\n") == 1
    assert not (tmp_path / "kept").exists()
