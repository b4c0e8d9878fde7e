"""Progress of a search on the terminal, separate from ESPnet's log, and its densities in TensorBoard."""

import math
import os
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_json, read_yaml
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.mask import Mask
from audio_lottery.shares import module_of

# Seconds between two looks of a line that is rewritten.
INTERVAL = 0.5


@dataclass(frozen=True)
class Place:
    """Where in its search a round stands: trained rounds after it, seconds of those before, the best dev loss so far.

    last: number of the search's last round, None where the run is no round of a search.
    """

    last: int | None = None
    after: int = 0
    seconds: tuple[float, ...] = ()
    best: float = math.inf

    @classmethod
    def of(cls, folder: Path) -> "Place":
        """Read from the files around a round's folder; what cannot be read is not shown, training goes on."""
        match, layout = re.fullmatch(r"round_(\d+)", folder.name), Layout(folder.parent)
        if not match or not layout.config.exists():
            return cls()
        try:
            settings = read_yaml(layout.config)
            last, only = int(settings["rounds"]), settings.get("only_rounds")
            after = [number for number in range(int(match[1]) + 1, last + 1) if only is None or number in only]
            seconds = [read_json(layout.done(number))["seconds"] for number in layout.finished()]
            losses = [row.get("valid", {}).get("loss", math.inf) for row in Ledger(layout.ledger).rows]
        except (LotteryError, KeyError, TypeError, ValueError, yaml.YAMLError):
            return cls()
        return cls(last, len(after), tuple(seconds), min(losses, default=math.inf))


class Progress:
    """Round, epoch, step, density, dev score and time left; one line rewritten in place on a terminal.

    Elsewhere a plain line every fifth epoch and at the end. ``AUDIO_LOTTERY_PROGRESS=0`` silences it. stdout is
    looked up by its original stream, since the search sends ESPnet's own output into the round's log.
    """

    def __init__(self, folder: Path, epochs: int, enabled: bool = True):
        self.name, self.epochs, self.place = folder.name, epochs, Place.of(folder)
        self.enabled = enabled and os.environ.get("AUDIO_LOTTERY_PROGRESS", "1") != "0"
        self.stream = sys.__stdout__
        self.live = self.enabled and self.stream is not None and self.stream.isatty()
        self.began = self.epoch_began = self.shown = time.perf_counter()
        self.epoch, self.first, self.seconds, self.first_step, self.steps = 0, 0, 0.0, 0, 0
        self.density, self.dev, self.best = 1.0, "", self.place.best

    def begin(self, epoch: int, step: int, mask: Mask | None) -> None:
        """Note that an epoch begins, after ``step`` optimiser steps."""
        self.epoch, self.first_step, self.epoch_began = epoch, step, time.perf_counter()
        self.density = mask.density if mask is not None else 1.0
        self.first = self.first or epoch

    def stepped(self, step: int) -> None:
        """Show an optimiser step, at most every half second and only on a terminal."""
        now = time.perf_counter()
        if self.live and now - self.shown >= INTERVAL:
            self.shown = now
            done = step - self.first_step
            share = done / self.steps if self.steps else 0.0
            of = f"/{self.steps}" if self.steps else ""
            self._rewrite(f"{self._place()}, epoch {self.epoch}/{self.epochs}, step {done}{of}{self.dev}"
                          f"{self._left(min(share, 1.0))}")

    def trained(self, epoch: int, step: int) -> None:
        """Note that an epoch's training is over, after ``step`` steps in all; its line comes after its validation."""
        self.seconds, self.steps = time.perf_counter() - self.epoch_began, step - self.first_step

    def validated(self, reporter) -> None:
        """Show the epoch's line: dev loss and error, seconds an epoch, time left in this round and in the search."""
        if not self.enabled or not self.epoch:
            return
        scores = {key: value for key in ("loss", "cer_ctc", "acc")
                  if key in reporter.stats and math.isfinite(value := mean(reporter, key))}
        self.best = min(self.best, scores.get("loss", math.inf))
        self.dev = ", dev " + ", ".join(f"{key} {value:.3g}" for key, value in scores.items()) if scores else ""
        if math.isfinite(self.best):
            self.dev += f" (best loss {self.best:.3g})"
        line = (f"{self._place()}, epoch {self.epoch}/{self.epochs}{self.dev}, {self.seconds:.1f} s an epoch"
                f"{self._left(1.0)}")
        over = self.epoch == self.epochs
        if self.live:
            self._rewrite(line, "\n" if over else "")
        elif over or self.epoch % 5 == 0:
            print(line, file=self.stream, flush=True)

    def _place(self) -> str:
        last = "" if self.place.last is None else f" of {self.place.last}"
        return f"{self.name}{last}, density {100 * self.density:.3g}%"

    def _left(self, share: float) -> str:
        """Time left, ``share`` of the present epoch being over; nothing before there is anything to tell it from."""
        done = self.epoch - self.first + share
        if not done:
            return ""
        an_epoch = (time.perf_counter() - self.began) / done
        left = an_epoch * (self.epochs - self.epoch + 1 - share)
        text = f", {_clock(left)} left in this round"
        if self.place.after:
            rounds = [*self.place.seconds, an_epoch * self.epochs]
            text += f", {_clock(left + self.place.after * sum(rounds) / len(rounds))} in the search"
        return text

    def _rewrite(self, line: str, end: str = "") -> None:
        width = _width(self.stream)
        if not end and len(line) >= width:  # a longer line could not be rewritten
            line = line[: width - 2] + "…"
        print(f"\r\033[K{line}", end=end, file=self.stream, flush=True)


def write_densities(writer, mask: Mask, step: int) -> None:
    """TensorBoard: ``density/<module>``, the share of its weights that remains.

    ESPnet's reporter takes the densities of scope and model; scores of every layer there would fill its log.
    """
    kept, sizes = Counter[str](), Counter[str]()
    for name, tensor in mask.items():
        kept[module_of(name)] += mask.kept_per_tensor[name]
        sizes[module_of(name)] += tensor.numel()
    for module, size in sizes.items():
        writer.add_scalar(f"density/{module}", kept[module] / size, step)


def mean(reporter, key: str) -> float:
    """A score's mean over an epoch so far; NaN where there is none."""
    from espnet2.train.reporter import aggregate

    value = aggregate(reporter.stats[key])
    return float(value) if value is not None else math.nan


def _width(stream) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
