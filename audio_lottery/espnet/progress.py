"""Progress of one training run on the terminal, separate from ESPnet's log."""

import math
import os
import sys
import time
from pathlib import Path


class Progress:
    """One line an epoch; rewritten in place on a terminal, plain lines elsewhere.

    ``AUDIO_LOTTERY_PROGRESS=0`` silences it. stdout is looked up at print time by its original
    stream, since the search sends ESPnet's own output into the round's log.
    """

    def __init__(self, folder: Path, epochs: int, enabled: bool = True):
        self.name, self.epochs = folder.name, epochs
        self.enabled = enabled and os.environ.get("AUDIO_LOTTERY_PROGRESS", "1") != "0"
        self.stream = sys.__stdout__
        self.epoch, self.first, self.began = 0, 0, time.perf_counter()

    def trained(self, epoch: int, seconds: float) -> None:
        """Note that an epoch's training is over; the line is printed after its validation."""
        self.epoch, self.seconds = epoch, seconds
        self.first = self.first or epoch

    def validated(self, reporter) -> None:
        """Print the epoch's line: dev loss and error, seconds an epoch, time left in this round."""
        if not self.enabled or not self.epoch:
            return
        done = self.epoch - self.first + 1
        left = (time.perf_counter() - self.began) / done * (self.epochs - self.epoch)
        scores = [(key, mean(reporter, key)) for key in ("loss", "cer_ctc", "acc") if key in reporter.stats]
        shown = ", ".join(f"{key} {value:.3g}" for key, value in scores if math.isfinite(value))
        line = (f"{self.name}: epoch {self.epoch}/{self.epochs}, dev {shown}, "
                f"{self.seconds:.1f} s an epoch, {_clock(left)} left in this round")
        if self.stream.isatty():
            end = "\n" if self.epoch == self.epochs else ""
            print(f"\r\033[K{line}", end=end, file=self.stream, flush=True)
        elif self.epoch == self.epochs or self.epoch % 5 == 0:
            print(line, file=self.stream, flush=True)


def mean(reporter, key: str) -> float:
    """A score's mean over an epoch so far; NaN where there is none."""
    from espnet2.train.reporter import aggregate

    value = aggregate(reporter.stats[key])
    return float(value) if value is not None else math.nan


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
