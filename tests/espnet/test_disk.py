"""The disk of a search: counted beforehand, measured while a real one runs, bounded by archiving its rounds."""

import json
import sys
from pathlib import Path

import pytest
import yaml

from audio_lottery import snapshot
from audio_lottery.bin import cli, decode, find
from audio_lottery.config import LotteryConfig
from audio_lottery.espnet import archive
from audio_lottery.espnet.disk import Sizes, count
from audio_lottery.espnet.models import averaged_model_file, load_state
from audio_lottery.invariants import check
from audio_lottery.layout import Layout

FILES = (".pth", ".safetensors", ".ticket", ".tmp")
# A Conformer of 120 M parameters, 87% of them in scope, trained by Adam; the 5 best of 40 epochs are averaged.
LARGE = Sizes(model=480_000_000, scope=104_000_000, moments=960_000_000, epochs=40, kept=5, averaged=1)


def used(folder: Path) -> int:
    """Bytes of models, weights and masks below a folder."""
    total = 0
    for path in folder.rglob("*"):
        if path.suffix in FILES and not path.is_symlink():
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                pass
    return total


class Watch:
    """The largest ``used`` of a folder while the block runs: looked at before whatever may make it less."""

    def __init__(self, folder: Path):
        self.folder, self.peak, self.watching = folder, 0, False
        sys.addaudithook(self._look)

    def _look(self, event: str, _arguments: tuple) -> None:
        if self.watching and event in ("os.remove", "os.rename"):
            self.peak = max(self.peak, used(self.folder))

    def __enter__(self) -> "Watch":
        self.watching = True
        return self

    def __exit__(self, *_) -> None:
        self.watching = False


def test_twenty_rounds_of_a_large_model_take_less_than_12_gb():
    assert count(LARGE, LotteryConfig(rounds=20), archive=True)["peak"] < 12e9
    assert count(LARGE, LotteryConfig(rounds=20), archive=False)["peak"] > 90e9


def test_archiving_needs_rounds_that_start_from_kept_weights(recipe, tmp_path, capsys):
    options = recipe.search(tmp_path / "exp", "--archive_rounds", "true", "--lottery_args",
                            "--rounds 1 --restart learning_rate")
    assert cli.main(find, options) == 1
    assert "an archived round has no more: take restart: rewind" in capsys.readouterr().err


@pytest.fixture(scope="module")
def wide(recipe) -> Path:
    """A configuration of more weights than file headers."""
    model = yaml.safe_load(recipe.config.read_text())
    model["encoder_conf"] |= {"output_size": 96, "linear_units": 768}
    path = recipe.folder / "wide.yaml"
    path.write_text(yaml.safe_dump({**model, "max_epoch": 4, "keep_nbest_models": 2}))
    return path


def test_a_search_whose_rounds_are_archived(recipe, wide, decode_config, tmp_path, capsys):
    layout = Layout(tmp_path / "exp")
    options = recipe.search(layout.folder, "--archive_rounds", "true", config=wide)
    capsys.readouterr()
    assert cli.main(find, [*options, "--dry_run", "true", "--json"]) == 0
    counted = json.loads(capsys.readouterr().out)
    assert not layout.folder.exists()
    with Watch(layout.folder) as watch:
        assert cli.main(find, options) == 0
    assert 0.8 * counted["peak"] < watch.peak < 1.05 * counted["peak"]
    assert [archive.archived(layout.round(number)) for number in range(3)] == [True, True, False]
    assert not list(layout.round(0).glob("*.pth")) and list(layout.round(2).glob("*.pth"))
    assert used(layout.folder) < 0.75 * counted["peak"]
    assert [one for found in check(layout.folder, load_state).values() for one in found] == []
    assert cli.main(find, options) == 0  # all of it is done

    arguments = [layout.folder, "--inference_config", decode_config, "--data", recipe.dump, "--sets", "dev", "--rounds",
                 "1"]
    assert cli.main(decode, [str(one) for one in arguments]) == 0
    path = averaged_model_file(layout.round(1))
    about = json.loads((layout.round(1) / archive.ABOUT).read_text())
    assert path.name == about["link"] and snapshot.digests(load_state(path)) == about["tensors"]
    assert cli.main(decode, [*map(str, arguments), "--merge"]) == 0
    assert not list(layout.round(1).glob("*.pth"))
    assert len((layout.round(1) / "decode_greedy/dev/text").read_text().splitlines()) == 6

    ticket = layout.round(1) / archive.TICKET
    ticket.write_bytes(ticket.read_bytes()[:-1] + b"x")
    with pytest.raises(Exception, match=r"model\.ticket"):
        averaged_model_file(layout.round(1))
