"""ESPnet's checkpoints made safe: it writes them in place, so a kill can leave half a file.

Before each epoch the whole checkpoint of the epoch before is renamed to ``checkpoint.previous.pth``;
ESPnet then writes ``checkpoint.pth`` anew. :func:`recover` puts a round's folder back into the state
it had at the end of its last whole epoch, whatever moment it was killed at.
"""

import logging
import os
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import torch
from espnet2.main_funcs.average_nbest_models import average_nbest_models
from espnet2.train.reporter import Reporter

from audio_lottery.fileio import atomic_path, fsync

log = logging.getLogger("audio_lottery")
CURRENT, PREVIOUS = "checkpoint.pth", "checkpoint.previous.pth"


def is_whole(path: Path) -> bool:
    """True if a file of ``torch.save`` is complete and every record passes its CRC-32."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError):
        return False


def protect(folder: Path) -> None:
    """Set the whole checkpoint of the last epoch aside, before ESPnet overwrites it."""
    current = folder / CURRENT
    if current.exists():
        fsync(current)
        os.replace(current, folder / PREVIOUS)
        fsync(folder)


def recover(folder: Path, criteria: Sequence[Sequence[str]], keep: int = 1) -> int:
    """Make a round's folder consistent with its last whole checkpoint; return that epoch (0: start afresh).

    Says so when a checkpoint is damaged. Model files of later epochs, half-written ones and links are
    made anew from the checkpoint; ``criteria`` is ESPnet's ``best_model_criterion``, ``keep`` its
    ``keep_nbest_models``: the models of other epochs are removed, as ESPnet does at an epoch's end.
    """
    current, previous = folder / CURRENT, folder / PREVIOUS
    if current.exists() and not is_whole(current):
        log.warning("%s is damaged (truncated write?): continuing from the last whole checkpoint", current)
        current.unlink()
    if not current.exists() and previous.exists() and is_whole(previous):
        os.replace(previous, current)
    if not current.exists():
        _clear(folder)
        return 0
    states = torch.load(current, map_location="cpu", weights_only=True)
    reporter = Reporter()
    reporter.load_state_dict(states["reporter"])
    epoch = reporter.get_epoch()
    for path in folder.glob("[0-9]*epoch.pth"):
        if int(path.name.removesuffix("epoch.pth")) > epoch:
            path.unlink()
    newest = folder / f"{epoch}epoch.pth"
    if not newest.exists() or not is_whole(newest):
        with atomic_path(newest) as temporary:
            torch.save(states["model"], temporary)
    _link(folder / "latest.pth", newest.name)
    kept = {epoch}
    for phase, key, mode in criteria:
        if reporter.has(phase, key):
            best = reporter.sort_epochs(phase, key, mode)[:keep]
            kept.update(best)
            _link(folder / f"{phase}.{key}.best.pth", f"{best[0]}epoch.pth")
    for path in folder.glob("[0-9]*epoch.pth"):
        if int(path.name.removesuffix("epoch.pth")) not in kept:
            path.unlink()
    for path in (folder / f"{number}epoch.pth" for number in sorted(kept)):
        if not path.exists() or not is_whole(path):
            log.warning("%s is damaged or gone: this round is trained again from its start", path)
            _clear(folder)
            return 0
    return epoch


def average(folder: Path, criteria: Sequence[Sequence[str]], keep: int) -> None:
    """Average the best models of a run that ended between two epochs, as ESPnet does at its own end."""
    reporter = Reporter()
    reporter.load_state_dict(torch.load(folder / CURRENT, map_location="cpu", weights_only=True)["reporter"])
    average_nbest_models(output_dir=folder, reporter=reporter, best_model_criterion=criteria, nbest=keep)


def rename(folder: Path, suffix: str) -> None:
    """Give chosen and averaged models the names that they have without ``suffix`` behind the criterion's."""
    for path in sorted(folder.glob(f"*{suffix}.*.pth")):
        plain = path.with_name(path.name.replace(f"{suffix}.", ".", 1))
        if path.is_symlink():
            _link(plain, os.readlink(path).replace(f"{suffix}.", ".", 1))
            path.unlink()
        else:
            os.replace(path, plain)


def _clear(folder: Path) -> None:
    for path in (*folder.glob("*.pth"), folder / "steps.json"):
        path.unlink(missing_ok=True)


def _link(path: Path, target: str) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(target)
