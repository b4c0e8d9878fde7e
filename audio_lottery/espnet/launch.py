"""Training in processes of its own: on several GPUs, on several nodes by ESPnet's launcher, on CPUs by gloo."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.processes import end_with_parent

# Names the process whose end a training on the same machine does not outlive.
STARTER = "AUDIO_LOTTERY_STARTER"
# Seconds that ranks have to end by themselves when one of them failed.
GRACE = 10.0
# What a rank says that misses another: whatever that one said is the cause.
MISSES = re.compile(r"gloo|NCCL|Connection (closed|reset)|Broken pipe|Socket", re.IGNORECASE)


@dataclass(frozen=True)
class Launcher:
    """How a training is spread; the names are those of ESPnet's training and of its launcher, espnet2.bin.launch.

    ngpu: GPUs a node. num_nodes: machines, on which a training is started by one of these: dist_launcher ``slurm``,
    a step (srun) of the Slurm job that the search runs in; cmd, a job starter of Kaldi's, like ``utils/slurm.pl``;
    host, names of machines that ssh reaches. With none of them: ``num_nodes`` processes on this machine's CPU.
    """

    ngpu: int = 0
    num_nodes: int = 1
    cmd: str | None = None
    host: str | None = None
    dist_launcher: str | None = None

    def __post_init__(self) -> None:
        given = [f"--{name}" for name in ("cmd", "host", "dist_launcher") if getattr(self, name)]
        if len(given) > 1:
            raise LotteryError(f"{' and '.join(given)}: each starts the training: give one")
        if self.host and self.num_nodes > 1:
            raise LotteryError(f"--num_nodes {self.num_nodes}: --host names the nodes: leave --num_nodes out")
        if self.num_nodes > 1 and self.ngpu and not given:
            raise LotteryError(f"--num_nodes {self.num_nodes} --ngpu {self.ngpu}: how a training is started on the "
                               "nodes, one of --dist_launcher slurm, --cmd and --host says")

    @property
    def apart(self) -> bool:
        """Whether a training cannot run in the process of the search."""
        return self.ngpu > 1 or self.num_nodes > 1 or self._elsewhere

    @property
    def _elsewhere(self) -> bool:
        return bool(self.cmd or self.host or self.dist_launcher)

    @property
    def ranks(self) -> int | None:
        """Processes that train together; None where only the machines' list tells."""
        return None if self.host else max(self.ngpu, 1) * self.num_nodes

    def commands(self, words: Sequence[str], folder: Path) -> list[list[str]]:
        """What is started on this machine for a training command that writes to ``folder``."""
        prefix = folder.absolute() / ".dist_init_"
        if self.cmd or self.host:
            where = ["--host", self.host, "--envfile", _environment_file()] if self.host else [
                "--cmd", self.cmd, "--num_nodes", str(self.num_nodes), "--multiprocessing_distributed", "true"]
            return [[sys.executable, "-m", "espnet2.bin.launch", *where, "--ngpu", str(self.ngpu),
                     "--log", str(folder / "launch.log"), "--init_file_prefix", str(prefix), "--", *words]]
        init = f"file://{prefix}{uuid.uuid4()}"
        gloo = [] if self.ngpu else ["--dist_backend", "gloo"]
        if self.dist_launcher:
            step = ["srun", "--nodes", str(self.num_nodes), "--ntasks", str(self.num_nodes), "--ntasks-per-node", "1",
                    "--kill-on-bad-exit=1"]
            return [[*step, *words, "--multiprocessing_distributed", "true", "--dist_launcher", self.dist_launcher,
                     "--dist_init_method", init, *gloo]]
        if self.num_nodes > 1:
            common = ["--multiprocessing_distributed", "false", *gloo, "--dist_init_method", init,
                      "--dist_world_size", str(self.num_nodes), "--dist_rank"]
            return [[*words, *common, str(rank)] for rank in range(self.num_nodes)]
        return [[*words, *(["--multiprocessing_distributed", "true"] if self.ngpu > 1 else [])]]

    def run(self, words: Sequence[str], folder: Path, log: Path) -> None:
        """Train to the end; a failure is a one-line :class:`LotteryError`.

        When one process fails or is killed, the others are ended: they would wait for it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob(".dist_init_*"):  # of a killed start
            path.unlink()
        environment = dict(os.environ)
        if self._elsewhere:
            environment["SLURM_KILL_BAD_EXIT"] = "1"  # srun ends a job's other tasks with the one that failed
        else:
            environment[STARTER] = str(os.getpid())
        started = [_Process(command, log, environment) for command in self.commands(words, folder)]
        try:
            failed = _first_failed(started)
        finally:
            _end(started)
            for path in folder.glob(".dist_init_*"):
                path.unlink(missing_ok=True)
        if failed is not None:
            raise LotteryError(started[failed].complaint(failed, len(started)))


def _environment_file() -> str:
    """What a shell on another machine sources to find this toolkit."""
    root = os.environ.get("AUDIO_LOTTERY_ROOT")
    return f"{root}/path.sh" if root else "none"


class _Process:
    """A started process; its notes are shown, what else it prints goes to the log.

    Its complaint is read from its stderr, not from the log: that may lie on the disk that is full.
    """

    def __init__(self, command: list[str], log: Path, environment: dict[str, str]):
        self.log, self.said = log, None
        self.popen = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, errors="replace", env=environment)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.popen.stderr:
            if line.startswith("WARNING: "):
                print(line, end="", file=sys.stderr)
            elif line.startswith("audio-lottery "):
                # Of several, the first is the cause: a GPU's process complains before the one that waits for it.
                self.said = self.said or line.partition(": error: ")[2].strip() or None
            else:
                with contextlib.suppress(OSError), open(self.log, "a", encoding="utf-8") as stream:
                    stream.write(line)

    def misses_another(self) -> bool:
        """Whether it ended because another one had."""
        if self.popen.returncode <= 0:
            return False
        self.reader.join(GRACE)
        return bool(self.said and MISSES.search(self.said))

    def complaint(self, rank: int, ranks: int) -> str:
        code = self.popen.returncode
        if code < 0 and ranks > 1:
            return (f"{self.log}: rank {rank} of {ranks} was ended by {signal.Signals(-code).name}, the others were "
                    "stopped: start the search again to continue from the last whole epoch")
        self.reader.join(GRACE)
        return self.said or f"{self.log}: the training of this round failed: see its end"


def _first_failed(started: list[_Process]) -> int | None:
    """Wait for all; the number of the one that failed first, a killed one before those that missed it."""
    patience = None
    while True:
        codes = [one.popen.poll() for one in started]
        failed = [number for number, code in enumerate(codes) if code]
        if failed:
            first = min(failed, key=lambda number: (codes[number], started[number].misses_another()))
            # One whose connections are closed may not be seen to have ended yet.
            patience = patience or time.monotonic() + GRACE
            if None not in codes or not started[first].misses_another() or time.monotonic() > patience:
                return first
        elif None not in codes:
            for one in started:
                one.reader.join()
            return None
        time.sleep(0.1)


def _end(started: list[_Process]) -> None:
    running = [one.popen for one in started if one.popen.poll() is None]
    for popen in running:
        popen.terminate()
    deadline = time.monotonic() + GRACE
    for popen in running:
        try:
            popen.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()


def end_with_starter() -> None:
    """When the process that started this one ends, however it does, so does this one (Linux).

    A search that is killed and started again must not find its old training still writing.
    """
    starter = os.environ.pop(STARTER, None)
    if starter is None or not sys.platform.startswith("linux"):
        return
    end_with_parent()
    if os.getppid() != int(starter):  # it ended before the line above
        os.kill(os.getpid(), signal.SIGKILL)
