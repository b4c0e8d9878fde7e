"""ESPnet tasks made ticket-aware, by subclassing alone."""

import importlib
import multiprocessing
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from audio_lottery.errors import LotteryError
from audio_lottery.espnet.logs import quiet
from audio_lottery.espnet.noise import NoisyTaskMixin
from audio_lottery.espnet.trainer import TicketTrainerMixin
from audio_lottery.fileio import read_yaml
from audio_lottery.processes import end, end_with_parent

if TYPE_CHECKING:
    from espnet2.tasks.abs_task import AbsTask

# Task name as in espnet2.bin.<name>_train -> the task; ours are ESPnet's with further encoders and the RNN-T loss.
TASKS = {
    "asr": ("audio_lottery.espnet.asr_task", "ASRTask"),
    "asr_transducer": ("audio_lottery.espnet.transducer_task", "ASRTransducerTask"),
    "st": ("espnet2.tasks.st", "STTask"),
    "s2t": ("espnet2.tasks.s2t", "S2TTask"),
}


class SpawnedTaskMixin:
    """Where ESPnet spawned a process (one a GPU), it ends with its parent, and complains in one line."""

    @classmethod
    def main_worker(cls, args) -> None:
        if not args.multiprocessing_distributed or multiprocessing.parent_process() is None:
            super().main_worker(args)
            return
        end_with_parent()
        try:
            super().main_worker(args)
        except LotteryError as error:
            print(f"audio-lottery train: error: {error}", file=sys.stderr)
            end(1)
        end(0)


def ticket_aware(task: "type[AbsTask]") -> "type[AbsTask]":
    """A subclass of any espnet2 task that takes the ``--ticket_*`` options and those of noise while training."""
    trainer = type("Ticket" + task.trainer.__name__, (TicketTrainerMixin, task.trainer),
                   {"__module__": __name__, "__doc__": task.trainer.__doc__})
    return type("Ticket" + task.__name__, (SpawnedTaskMixin, NoisyTaskMixin, task),
                {"__module__": __name__, "__doc__": task.__doc__, "trainer": trainer})


def resolve(task: str, config: str | Path) -> str:
    """The task's name; for ``auto`` the one that an ESPnet training configuration is for.

    Only ``asr`` and ``asr_transducer`` are told apart (the latter's encoders have a ``body_conf``); other
    tasks must be named. Raises :class:`LotteryError` for an unknown task or an unreadable configuration.
    """
    if task == "auto":
        encoder = read_yaml(config).get("encoder_conf")
        return "asr_transducer" if isinstance(encoder, dict) and "body_conf" in encoder else "asr"
    if task not in TASKS:
        raise LotteryError(f"--task {task}: unknown: choose from auto, {', '.join(TASKS)}")
    return task


def get_task(name: str) -> "type[AbsTask]":
    """The ticket-aware task of a name such as ``asr``; unknown names are a :class:`LotteryError`."""
    if name not in TASKS:
        raise LotteryError(f"--task {name}: unknown: choose from {', '.join(TASKS)}")
    return __getattr__("Ticket" + TASKS[name][1])


def __getattr__(name: str) -> "type[AbsTask]":
    # Made on demand, and found by name when ESPnet's spawned processes unpickle the class.
    for module, stock in TASKS.values():
        if name == "Ticket" + stock:
            with quiet():
                globals()[name] = ticket_aware(getattr(importlib.import_module(module), stock))
            return globals()[name]
    raise AttributeError(name)
