"""kill -9 at random moments of whole searches by ESPnet: dense training, rounds, decoding, scores, report, export.

Stages 1 to 4: test_kill_data.py.
"""

from pathlib import Path

import pytest

from audio_lottery import snapshot
from audio_lottery.espnet.models import load_state
from audio_lottery.export import ticket_file
from audio_lottery.export.arrays import to_torch
from audio_lottery.ledger import Ledger

TIMES = ("train_seconds", "finished", "git")
SEARCHES = {
    "imp": "--rounds 2 --rate 0.4",
    "rigl": "--rounds 1 --rate 0.4 --within rigl --allocation erk --within_conf.every 1it --within_conf.end 0.5",
    "gradual": "--rounds 1 --rate 0.4 --within gradual --within_conf.every 1it --within_conf.end 0.6",
    "early_bird": "--rounds 1 --rate 0.4 --stop early_bird --stop_conf.window 2 --stop_conf.threshold 0.5",
}
KILLS = {"imp": 6, "rigl": 2, "gradual": 2, "early_bird": 2}


def stages(recipe, decode_config: Path, exp: Path, name: str) -> list[list[str]]:
    """Stages 5 to 9, as run.sh calls them; the report, which takes long, after one search alone."""
    find = ["find", *recipe.search(exp, "--lottery_args", SEARCHES[name])]
    decode = ["decode", str(exp), "--inference_config", str(decode_config), "--data", str(recipe.dump), "--sets",
              "dev", "test", "--nj", "2"]
    score = ["score", str(exp), "--sets", "dev", "test", "--refs", str(recipe.dump)]
    report = ["report", str(exp), "--data", str(recipe.dump), "--out", str(exp / "report")]
    return [[*find, "--last_round", "0"], find, [*decode, "--job", "1"], [*decode, "--job", "2"], [*decode, "--merge"],
            score, ["check", str(exp)], ["table", str(exp), "--report", str(exp / "report")],
            *([report] if name == "imp" else []), ["export", str(exp), "--round", "1", "--onnx", "false"]]


def contents(exp: Path) -> dict:
    """What a search is made for, by file: masks, weights and models tensor by tensor, hypotheses, scores."""
    found = {}
    for path in sorted(path for path in exp.rglob("*") if path.is_file()):
        name = str(path.relative_to(exp))
        if path.suffix == ".pth":
            state = load_state(path)
            found[name] = snapshot.digests(state["model"] if path.name == "checkpoint.pth" else state)
        elif path.suffix == ".safetensors":
            found[name] = snapshot.digests(snapshot.load(path))
        elif path.suffix == ".ticket":
            exact = path.stem.endswith("_fp32")
            found[name] = snapshot.digests(to_torch(ticket_file.read(path).tensors)) if exact else "there"
        elif path.name == "rounds.jsonl":
            found[name] = [{key: value for key, value in row.items() if key not in TIMES} for row in Ledger(path).rows]
        elif path.name in ("text", "token", "token_int", "score", "ref.trn", "hyp.trn", "errors.jsonl", "lottery.yaml"):
            found[name] = path.read_text().replace(str(exp), "EXP")
        elif path.name.endswith(".tmp") and ".safetensors." in path.name:
            found[name] = "left behind"
    return found


@pytest.mark.timeout(14400)
@pytest.mark.parametrize("name", KILLS)
def test_kills_leave_no_trace(recipe, decode_config, espnet_server, kill_and_resume, full, tmp_path, name):
    kills = 50 if full and name == "imp" else KILLS[name]
    whole, log = tmp_path / "whole", tmp_path / "log"
    answer = espnet_server.run("commands", *stages(recipe, decode_config, whole, name), log=log)
    assert answer["status"] == 0, log.read_text()

    killed_in = []

    def start(number, kill):
        exp = tmp_path / f"killed_{number}"
        answer = espnet_server.run("commands", *stages(recipe, decode_config, exp, name), log=log, kill=kill)
        if answer["status"] == -9:
            said = log.read_text(errors="replace").splitlines()  # a kill may cut a character
            killed_in.append([line for line in said if line.startswith("== ")][-1][3:])
        return answer

    counts = kill_and_resume(start, answer["events"], kills, sum(map(ord, name)), 0.3)
    print(f"{name}: {answer['events']} events, kills of each search: {counts}, in {sorted(killed_in)}")
    for number in range(len(counts)):
        assert contents(tmp_path / f"killed_{number}") == contents(whole), f"killed {counts[number]} times"
    if kills >= 50:
        assert len(set(killed_in)) > 2, killed_in  # of the commands
