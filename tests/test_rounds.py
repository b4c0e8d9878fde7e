"""The state machine of a search, over a real (if small) training run in plain torch."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from audio_lottery import hooks, snapshot
from audio_lottery.config import LotteryConfig
from audio_lottery.errors import LotteryError
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask
from audio_lottery.moment import Moment
from audio_lottery.rounds import locked, search
from audio_lottery.schedule import count_to_prune

CONFIG = replace(LotteryConfig(), rounds=3, rate=0.3)


class TorchBackend:
    """Trains a small network on a fixed task for ten steps; deterministic from its seed."""

    names = ["0.weight", "2.weight"]

    def __init__(self):
        self.trained: list[int] = []

    def model(self) -> torch.nn.Module:
        torch.manual_seed(0)
        return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3))

    def network(self) -> torch.nn.Module:
        return self.model()

    def settings(self):
        return {"steps": 10}

    def scope(self):
        return self.names

    def train(self, round_folder: Path, options):
        model = self.model()
        if "init" in options:
            snapshot.load_into(model, options["init"])
        else:
            snapshot.save(options["theta0"], model.state_dict(), {})
        if "mask" in options:
            hooks.attach(model, Mask.load(options["mask"]))
        snapshot.save(round_folder / "start.safetensors", model.state_dict(), {})
        optimizer = torch.optim.Adam(model.parameters(), 0.05)
        torch.manual_seed(1)
        for step in range(1, 11):
            inputs = torch.randn(16, 6)
            loss = ((model(inputs) - inputs[:, :3].sin()) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if "thetak" in options and Moment.parse(options["rewind"]).count == step:
                snapshot.save(options["thetak"], model.state_dict(), {})
        snapshot.save(round_folder / "final.safetensors", model.state_dict(), {})
        self.trained.append(int(round_folder.name[-2:]))

    def weights(self, round_folder, source):
        return snapshot.load(round_folder / "final.safetensors")

    def facts(self, round_folder):
        return {"epochs": 1, "steps": 10}


def folder_digest(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): str(snapshot.digests(snapshot.load(path)))
            for path in folder.rglob("*.safetensors")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    search(folder, CONFIG, TorchBackend())
    return Layout(folder)


def test_masks_nest_and_counts_are_exact(finished):
    kept = 6 * 8 + 8 * 3
    before = None
    for number in (1, 2, 3):
        mask = Mask.load(finished.mask(number))
        kept -= count_to_prune(kept, 0.3)
        assert mask.kept == kept
        assert before is None or mask.is_subset(before)
        before = mask


def test_rewinding_restores_theta0_bit_for_bit(finished):
    theta0 = snapshot.load(finished.theta0)
    trained = snapshot.load(finished.round(0) / "final.safetensors")
    assert any(not torch.equal(theta0[name], trained[name]) for name in theta0)
    for number in (1, 2, 3):
        expected = {name: tensor.clone() for name, tensor in theta0.items()}
        Mask.load(finished.mask(number)).apply_(expected)
        started = snapshot.load(finished.round(number) / "start.safetensors")
        assert snapshot.digests(started) == snapshot.digests(expected)


def test_ledger_counts_are_those_of_the_saved_weights(finished):
    for row in Ledger(finished.ledger).rows[1:]:
        weights = snapshot.load(finished.round(row["round"]) / "final.safetensors")
        nonzero = sum(int(weights[name].count_nonzero()) for name in TorchBackend.names)
        assert row["kept_scope"] == nonzero == Mask.load(finished.mask(row["round"])).kept
        assert row["numel_whole"] == 6 * 8 + 8 + 8 * 3 + 3
        assert row["density_whole"] == (row["numel_whole"] - row["numel_scope"] + nonzero) / row["numel_whole"]


def test_a_finished_search_does_nothing_again(finished):
    backend = TorchBackend()
    before = folder_digest(finished.folder), finished.ledger.read_bytes()
    search(finished.folder, CONFIG, backend)
    assert backend.trained == []
    assert (folder_digest(finished.folder), finished.ledger.read_bytes()) == before


@pytest.mark.parametrize("method", ["train", "weights", "facts"])
@pytest.mark.parametrize("call", range(1, 8))
def test_stopped_anywhere_it_ends_the_same(finished, stopping, tmp_path, method, call):
    try:
        search(tmp_path, CONFIG, stopping(TorchBackend, method, call))
    except KeyboardInterrupt:
        search(tmp_path, CONFIG, TorchBackend())
    assert folder_digest(tmp_path) == folder_digest(finished.folder)


def test_last_round_stops_and_goes_on(finished, tmp_path):
    search(tmp_path, CONFIG, TorchBackend(), last_round=0)
    assert Layout(tmp_path).finished() == [0]
    assert not Layout(tmp_path).mask(1).exists()
    search(tmp_path, CONFIG, TorchBackend())
    assert folder_digest(tmp_path) == folder_digest(finished.folder)


def test_more_rounds_extend_a_search(finished, tmp_path):
    search(tmp_path, replace(CONFIG, rounds=2), TorchBackend())
    backend = TorchBackend()
    search(tmp_path, CONFIG, backend)
    assert backend.trained == [3]
    assert folder_digest(tmp_path) == folder_digest(finished.folder)


def test_another_configuration_is_refused(finished):
    with pytest.raises(LotteryError, match="begun with rate: 0.3, not 0.2"):
        search(finished.folder, replace(CONFIG, rate=0.2), TorchBackend())


def test_other_training_settings_are_refused(finished):
    class Longer(TorchBackend):
        def settings(self):
            return {"steps": 20}

    with pytest.raises(LotteryError, match="begun with steps: 10, not 20"):
        search(finished.folder, CONFIG, Longer())


def test_settings_that_are_compared_no_longer_do_not_end_a_search(finished, tmp_path):
    search(tmp_path, replace(CONFIG, rounds=2), TorchBackend())
    layout = Layout(tmp_path)
    layout.training.write_text(layout.training.read_text() + "log_colour: red\n")
    search(tmp_path, CONFIG, TorchBackend())
    assert folder_digest(tmp_path) == folder_digest(finished.folder)


def test_rewinding_to_step_k(tmp_path):
    search(tmp_path, replace(CONFIG, rewind="4it", rounds=1), TorchBackend())
    layout = Layout(tmp_path)
    expected = snapshot.load(layout.thetak)
    assert not torch.equal(expected["0.weight"], snapshot.load(layout.theta0)["0.weight"])
    Mask.load(layout.mask(1)).apply_(expected)
    assert snapshot.digests(snapshot.load(layout.round(1) / "start.safetensors")) == snapshot.digests(expected)


def test_rewinding_beyond_the_training_is_refused(tmp_path):
    with pytest.raises(LotteryError, match="11it: the dense training ended before"):
        search(tmp_path, replace(CONFIG, rewind="11it"), TorchBackend())


def test_two_searches_in_a_folder_are_refused(tmp_path):
    with locked(tmp_path), pytest.raises(LotteryError, match="another search is running"):
        search(tmp_path, CONFIG, TorchBackend())


def test_ledger_is_one_json_object_a_round(finished):
    rows = [json.loads(line) for line in finished.ledger.read_text().splitlines()]
    assert [row["round"] for row in rows] == [0, 1, 2, 3]
    assert all({"density_scope", "density_whole", "train_seconds", "mask_digest"} <= row.keys() for row in rows)


RANDOM = replace(CONFIG, criterion="random", prune_from="init")


def test_one_round_alone_is_the_same_as_in_the_whole_search(tmp_path):
    """Masks of all rounds are made, so the one trained is that of the whole control, bit for bit."""
    whole, alone = tmp_path / "whole", tmp_path / "alone"
    search(whole, RANDOM, TorchBackend())
    backend = TorchBackend()
    search(alone, replace(RANDOM, only_rounds=[3]), backend)
    assert backend.trained == [0, 3]
    assert [row["round"] for row in Ledger(Layout(alone).ledger).rows] == [0, 3]
    for name in ("round_03/final.safetensors", "masks/round_02.safetensors", "masks/round_03.safetensors"):
        assert snapshot.digests(snapshot.load(alone / name)) == snapshot.digests(snapshot.load(whole / name))
    search(alone, RANDOM, backend)  # the others later
    assert backend.trained == [0, 3, 1, 2]
    assert folder_digest(alone) == folder_digest(whole)


def test_one_round_of_another_searchs_masks(finished, tmp_path):
    backend = TorchBackend()
    search(tmp_path, replace(CONFIG, masks_from=str(finished.folder), only_rounds=[2]), backend)
    assert backend.trained == [0, 2]
    assert Mask.load(Layout(tmp_path).mask(2)) == Mask.load(finished.mask(2))


@pytest.mark.parametrize("changes, said", [
    ({"only_rounds": [3]}, "needs the weights that the round before was trained to: take masks_from: imp, or"),
    ({"only_rounds": [2], "masks_from": "imp", "restart": "finetune"}, "take restart: rewind"),
    ({"only_rounds": [4], "masks_from": "imp"}, "4 is not a round of this search: give numbers from 1 to 3"),
    ({"only_rounds": [], "masks_from": "imp"}, "None is not a round"),
], ids=["trained", "finetune", "beyond", "empty"])
def test_rounds_that_cannot_be_trained_alone_are_refused(tmp_path, changes, said):
    with pytest.raises(LotteryError, match=said):
        search(tmp_path / "exp", replace(CONFIG, **changes), TorchBackend())
    assert not (tmp_path / "exp").exists()
