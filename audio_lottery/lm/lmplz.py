"""KenLM's own estimator, where it is installed."""

import contextlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.lm.kneser_ney import prune_thresholds


def available() -> str | None:
    """The path of ``lmplz`` on PATH, or None."""
    return shutil.which("lmplz")


@contextlib.contextmanager
def estimated(sentences: Iterable[Sequence[str]], order: int, prune: Sequence[int], discount_fallback: bool,
              folder: str | Path) -> Iterator[Path]:  # fmt: skip
    """The ARPA file that ``lmplz`` makes, below ``folder`` and only as long as the context lasts."""
    program = available()
    if not program:
        raise LotteryError("--method lmplz: no lmplz on PATH: install KenLM's programs, or give --method python")
    command = [program, "-o", str(order), "-S", "20%"]
    if discount_fallback:
        command.append("--discount_fallback")
    command += ["--prune", *map(str, prune_thresholds(prune, order))]
    with tempfile.TemporaryDirectory(prefix=".lmplz.", dir=folder) as name:
        text, arpa = Path(name) / "text", Path(name) / "arpa"
        with open(text, "w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(" ".join(sentence) + "\n" for sentence in sentences)
        command += ["-T", f"{name}/sort", "--text", str(text), "--arpa", str(arpa)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode:
            last = [line for line in done.stderr.splitlines() if line.strip()][-2:]
            raise LotteryError(f"{program}: failed with status {done.returncode}, {' '.join(last)}: "
                               "change the text or the options, or give --method python")
        yield arpa
