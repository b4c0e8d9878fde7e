"""What a search shows while it runs, and what it leaves in TensorBoard."""

import io
import math

import pytest
import torch
import yaml

from audio_lottery.espnet import progress
from audio_lottery.espnet.progress import Place, Progress, _clock
from audio_lottery.fileio import write_json, write_jsonl
from audio_lottery.layout import Layout
from audio_lottery.mask import Mask

MASK = Mask({"encoder.encoders.0.a.weight": torch.tensor([[True, False], [False, False]])})


class Terminal(io.StringIO):
    """A stream that says what it is."""

    def __init__(self, tty: bool):
        super().__init__()
        self.tty = tty

    def isatty(self) -> bool:
        return self.tty


class Reporter:
    """ESPnet's reporter of an epoch, as far as it is read."""

    def __init__(self, loss: float):
        from espnet2.train.reporter import to_reported_value

        self.stats = {"loss": [to_reported_value(loss)], "acc": [to_reported_value(math.nan)]}


@pytest.fixture
def search(tmp_path) -> Layout:
    """Rounds 0 and 1 of four are finished, in 40 and 20 s; round 1 had the lowest dev loss."""
    layout = Layout(tmp_path)
    layout.config.write_text(yaml.safe_dump({"rounds": 4}))
    for number, seconds in enumerate((40.0, 20.0)):
        write_json(layout.done(number), {"round": number, "seconds": seconds})
    write_jsonl(layout.ledger, [{"round": 0, "valid": {"loss": 5.0}}, {"round": 1, "valid": {"loss": 3.0}}])
    return layout


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


def shown(monkeypatch, tty: bool) -> Terminal:
    stream = Terminal(tty)
    monkeypatch.setattr(progress.sys, "__stdout__", stream)
    return stream


def test_the_line_of_a_terminal(search, clock, monkeypatch):
    monkeypatch.setattr(progress, "_width", lambda stream: 200)
    stream = shown(monkeypatch, True)
    line = Progress(search.round(2), 3)
    line.begin(1, 0, MASK)
    clock[0] += 0.1
    line.stepped(1)
    assert stream.getvalue() == ""  # too soon
    clock[0] += 9.9
    line.stepped(10)
    assert stream.getvalue() == "\r\033[Kround_02 of 4, density 25%, epoch 1/3, step 10"
    line.trained(1, 10)
    line.validated(Reporter(4.0))
    # Two epochs of 10 s; two more rounds as long as the mean of 40, 20 and 30 s.
    assert stream.getvalue().split("\r\033[K")[-1] == (
        "round_02 of 4, density 25%, epoch 1/3, dev loss 4 (best loss 3), 10.0 s an epoch, 0:20 left in this round, "
        "1:20 in the search")
    line.begin(2, 10, MASK)
    clock[0] += 5
    line.stepped(15)
    assert stream.getvalue().split("\r\033[K")[-1] == (
        "round_02 of 4, density 25%, epoch 2/3, step 5/10, dev loss 4 (best loss 3), 0:15 left in this round, "
        "1:15 in the search")
    assert "\n" not in stream.getvalue()


def test_elsewhere_it_is_quiet(search, clock, monkeypatch):
    stream = shown(monkeypatch, False)
    line = Progress(search.round(4), 6)
    for epoch in range(1, 7):
        line.begin(epoch, 10 * epoch - 10, None)
        for step in range(10):
            clock[0] += 1
            line.stepped(step)
        line.trained(epoch, 10 * epoch)
        line.validated(Reporter(2.0))
    lines = stream.getvalue().splitlines()
    assert [line.split(",")[2] for line in lines] == [" epoch 5/6", " epoch 6/6"] and "\r" not in stream.getvalue()
    assert "best loss 2)" in lines[0] and lines[0].endswith("0:10 left in this round")  # no round comes after it


def test_silenced(search, monkeypatch):
    monkeypatch.setenv("AUDIO_LOTTERY_PROGRESS", "0")
    stream = shown(monkeypatch, True)
    line = Progress(search.round(2), 1)
    line.begin(1, 0, None)
    line.trained(1, 10)
    line.validated(Reporter(1.0))
    assert stream.getvalue() == ""


def test_the_last_line_stays_and_long_ones_are_cut(search, monkeypatch):
    monkeypatch.setattr(progress, "_width", lambda stream: 40)
    stream = shown(monkeypatch, True)
    line = Progress(search.round(4), 2)
    for epoch in (1, 2):
        line.begin(epoch, 0, None)
        line.trained(epoch, 1)
        line.validated(Reporter(1.0))
    first, last = stream.getvalue().split("\r\033[K")[1:]
    assert len(first) == 39 and first.endswith("…")
    assert last.endswith("left in this round\n")


@pytest.mark.parametrize(("settings", "after"), [({"rounds": 4}, 2), ({"rounds": 4, "only_rounds": [2, 4]}, 1)])
def test_rounds_that_follow(search, settings, after):
    search.config.write_text(yaml.safe_dump(settings))
    assert Place.of(search.round(2)) == Place(4, after, (40.0, 20.0), 3.0)


def test_what_cannot_be_read_stops_no_training(search):
    assert Place.of(search.search_run) == Place()
    search.config.write_text("rounds: many\n")
    assert Place.of(search.round(2)) == Place()
    search.config.write_text(":\n  - broken")
    assert Place.of(search.round(2)) == Place()


def test_times():
    assert [_clock(seconds) for seconds in (0.4, 59.6, 3600)] == ["0:00", "1:00", "1:00:00"]


def test_tensorboard_has_the_density_of_scope_model_and_layers(exp):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    scalars = {}
    for part in ("train", "valid"):
        events = EventAccumulator(str(exp / "round_01/tensorboard" / part)).Reload()
        scalars |= {tag: [event.value for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    mask = Mask.load(exp / "masks/round_01.safetensors")
    assert scalars["density_scope"] == pytest.approx([mask.density] * 3) and len(scalars["density_whole"]) == 3
    layer = {name: mask[name].numel() for name in mask if name.startswith("encoder.encoders.0.")}
    kept = sum(mask.kept_per_tensor[name] for name in layer)
    assert scalars["density/encoder.encoders.0"] == pytest.approx([kept / sum(layer.values())] * 3)
