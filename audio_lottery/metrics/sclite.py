"""Scoring by sclite of NIST's SCTK, where it is found."""

import re
import shutil
import subprocess
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.metrics.wer import Counts

DEBIAN_PATH = "/usr/lib/sctk/bin/sclite"  # where Debian's package sctk puts it: not on PATH
_SCORES = re.compile(
    r"^id: \((?P<id>.+)\)\r?\nScores: \(#C #S #D #I\) (\d{1,9}) (\d{1,9}) (\d{1,9}) (\d{1,9})\s*$", re.MULTILINE
)


def find_sclite() -> str | None:
    """The sclite on PATH, else Debian's, else None."""
    return shutil.which("sclite") or shutil.which(DEBIAN_PATH)


def run_sclite(program: str, reference: str | Path, hypothesis: str | Path, report: str = "all") -> bytes:
    """Score two trn files as ESPnet does; what sclite prints (``all`` reports, or ``pra``, alignments alone), as bytes.

    Bytes, since sclite changes the case of text byte by byte, which may leave no valid UTF-8.
    """
    command = [program, "-r", str(reference), "trn", "-h", str(hypothesis), "trn"]
    command += ["-i", "rm", "-o", report, "stdout"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode or not done.stdout:
        reason = " ".join(done.stderr.decode(errors="replace").split()) or f"status {done.returncode}"
        raise LotteryError(f"{hypothesis}: {program} failed ({reason}): compare it with {reference}")
    return done.stdout


def parse_result(output: bytes) -> dict[str, Counts]:
    """Counts per id (in lower case, as sclite prints it) from the reports of ``-o all`` or ``-o pra``."""
    text = output.decode("latin-1")
    return {
        match["id"]: Counts(*(int(match[group]) for group in range(2, 6)))
        for match in _SCORES.finditer(text)
    }
