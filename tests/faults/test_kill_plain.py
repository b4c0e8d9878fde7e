"""kill -9 at random moments over searches of every kind, over a training loop in plain torch."""

import pytest
import torch

from audio_lottery import snapshot
from audio_lottery.invariants import check_masks
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask

TIMES = ("train_seconds", "finished")
KINDS = {"imp": 50, "learning_rate": 10, "random": 5, "gradual": 20, "gradual_alone": 10, "rigl": 20, "early": 5,
         "early_bird": 20, "dense_bird": 5}  # -> kills, where not all moments are asked for


def contents(folder) -> dict:
    """Every file of a search by its name: masks, weights, checkpoints, the ledger but for times."""
    found = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(folder))
        if path.suffix == ".pth":
            found[name] = snapshot.digests(torch.load(path, weights_only=True)["model"])
        elif "masks" in path.parts:
            found[name] = Mask.load(path).digest()
        elif path.suffix == ".safetensors":
            found[name] = snapshot.digests(snapshot.load(path))
        elif path.name == "rounds.jsonl":
            found[name] = [{key: value for key, value in row.items() if key not in TIMES} for row in Ledger(path).rows]
        elif path.name in ("done.json", "search.json"):  # seconds, and the search's folder
            found[name] = "there"
        else:
            found[name] = path.read_bytes()
    return found


@pytest.mark.timeout(14400)
@pytest.mark.parametrize("name", KINDS)
def test_kills_leave_no_trace(plain_server, kill_and_resume, full, tmp_path, name):
    kills = 50 if full else KINDS[name]
    whole, log = tmp_path / "whole", tmp_path / "log"
    answer = plain_server.run("plain", whole, name, log=log)
    assert answer["status"] == 0, log.read_text()

    def start(number, kill):
        return plain_server.run("plain", tmp_path / f"killed_{number}", name, log=log, kill=kill)

    counts = kill_and_resume(start, answer["events"], kills, list(KINDS).index(name), 0.003)
    assert sum(counts) == kills, log.read_text()
    for number in range(len(counts)):
        killed = tmp_path / f"killed_{number}"
        assert list(check_masks(Layout(killed))) == []
        assert contents(killed) == contents(whole), f"search {number}, killed {counts[number]} times"
