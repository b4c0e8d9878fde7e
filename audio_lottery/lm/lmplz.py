"""KenLM's own estimator, where it is installed."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.lm.kneser_ney import prune_thresholds


def available() -> str | None:
    """The path of ``lmplz`` on PATH, or None."""
    return shutil.which("lmplz")


def estimate_lines(sentences: Iterable[Sequence[str]], order: int, prune: Sequence[int], discount_fallback: bool,
                   folder: str | Path) -> list[str]:  # fmt: skip
    """The lines of the ARPA file that ``lmplz`` makes; its temporary files lie below ``folder``."""
    program = available()
    if not program:
        raise LotteryError("--method lmplz: no lmplz on PATH: install KenLM's programs, or give --method python")
    command = [program, "-o", str(order), "-S", "20%"]
    if discount_fallback:
        command.append("--discount_fallback")
    command += ["--prune", *map(str, prune_thresholds(prune, order))]
    with tempfile.TemporaryDirectory(prefix=".lmplz.", dir=folder) as name:
        text, arpa = Path(name) / "text", Path(name) / "arpa"
        text.write_text("".join(" ".join(sentence) + "\n" for sentence in sentences), encoding="utf-8")
        command += ["-T", f"{name}/sort", "--text", str(text), "--arpa", str(arpa)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            last = [line for line in done.stderr.splitlines() if line.strip()][-2:]
            raise LotteryError(f"{program}: failed with status {done.returncode}, {' '.join(last)}: "
                               "change the text or the options, or give --method python")
        return arpa.read_text(encoding="utf-8").splitlines(keepends=True)
