"""Every preset under conf/lottery loads, and says something that the defaults don't."""

from pathlib import Path

import pytest

from audio_lottery.config import LotteryConfig
from audio_lottery.config_file import load

PRESETS = sorted((Path(__file__).resolve().parents[1] / "conf/lottery").glob("*.yaml"))


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_preset_loads(path):
    config = load(path)
    assert (config == LotteryConfig()) == (path.stem == "imp")
    assert path.read_text().startswith("# ")


def test_densities_of_the_decaying_preset():
    config = load(next(path for path in PRESETS if path.stem == "imp_decay"))
    left = [config.make_schedule().kept(number, 10**6) / 10**6 for number in range(config.rounds + 1)]
    assert left[1] == 0.75 and left[2] == pytest.approx(0.75 * 0.775) and left[-1] <= 0.2
