"""Commands in ``wav.scp``, as ``utt sph2pipe -f wav a.sph |``: run only where the user allows it.

A data folder from elsewhere may hold any command, with the user's rights: --allow_pipes true is for
folders one has read or written oneself.
"""

import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from audio_lottery.errors import LotteryError

# What only a shell understands: pipes, redirections, lists, expansions, comments, assignments before a command.
SHELL = set("|&;<>()$`*?[]#~{}!\n")


def is_pipe(value: str) -> bool:
    """Whether a value of wav.scp is a command whose output is the audio."""
    return value.endswith("|")


def argument_list(command: str) -> list[str]:
    """The program and its arguments; bash with ``pipefail`` only where the command needs a shell.

    Raises:
        ValueError: a quotation that is not closed, or no command at all.
    """
    words = shlex.split(command)
    if not words:
        raise ValueError("no command")
    if SHELL & set(command) or "=" in words[0]:
        return ["bash", "-o", "pipefail", "-c", command]
    return words


def run_all(commands: dict[str, tuple[str, Path, str]], nj: int) -> None:
    """Run commands in ``nj`` jobs at once, their output into files.

    Args:
        commands: recording -> (value of wav.scp, file to write, ``file:line`` for an error).

    Raises:
        LotteryError: a command that cannot be read or started, or that fails, with the last line it said.
    """
    with ThreadPoolExecutor(max(1, nj)) as pool:
        jobs = [pool.submit(run, *command) for command in commands.values()]
        try:
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def run(value: str, path: Path, where: str) -> None:
    """Run one ``command |`` and write what it prints to ``path``."""
    command = value.removesuffix("|").strip()
    try:
        words = argument_list(command)
    except ValueError as error:
        raise LotteryError(f"{where}: '{command}' is no command ({error}): correct it") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as stream:
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.PIPE)
        except OSError as error:
            raise LotteryError(f"{where}: '{words[0]}' cannot be started ({error.strerror}): install it") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
        raise LotteryError(f"{where}: '{command}' failed with status {done.returncode} ({said[-1][:200]}): correct it")
