"""The picture of a search."""

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from audio_lottery.report.plot import _spaced, plot_wer  # noqa: E402
from audio_lottery.report.table import collect  # noqa: E402


def search(scored: bool = True) -> list[dict]:
    rows = [{"round": n, "density_scope": 0.8**n} for n in range(6)]
    for row in rows if scored else []:
        found = {"wer": 10.0 + row["round"], "ci": [9.0, 17.0], "matches": row["round"] < 3}
        row["scores"] = {"greedy": {"dev": found, "test": found}}
    return rows


def test_a_png_of_some_size_is_written(tmp_path):
    from matplotlib.image import imread

    assert plot_wer(collect(search()), tmp_path / "out" / "wer.png")
    image = imread(tmp_path / "out" / "wer.png")
    assert image.shape[:2] == (660, 960)
    assert image[..., :3].std() > 0.02


def test_the_picture_shows_the_scores(tmp_path):
    pictures = []
    for worse in (0, 20):
        rows = search()
        rows[-1]["scores"]["greedy"]["test"] = {"wer": 15.0 + worse, "ci": [9.0, 40.0], "matches": False}
        plot_wer(collect(rows), tmp_path / "wer.png")
        pictures.append((tmp_path / "wer.png").read_bytes())
    assert pictures[0] != pictures[1]


def test_nothing_to_draw(tmp_path):
    assert not plot_wer(collect(search(scored=False)), tmp_path / "wer.png")
    assert list(tmp_path.iterdir()) == []


def test_labels_keep_their_distance():
    assert _spaced([100, 80, 79, 40, 38], 1.12) == [100, 80, 40]
    assert _spaced([], 1.12) == []
