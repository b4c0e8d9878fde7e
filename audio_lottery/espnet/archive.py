"""Finished rounds kept as ticket files: every bit of the averaged model, none of what training needed.

A round's folder keeps its log, configuration and records; ``model.ticket`` takes the place of its model files.
Whoever asks for the averaged model (audio_lottery.espnet.models) gets it written out again.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path

import torch

from audio_lottery import snapshot
from audio_lottery.errors import LotteryError
from audio_lottery.export import folder as exported
from audio_lottery.export import ticket_file
from audio_lottery.export.arrays import to_torch
from audio_lottery.fileio import atomic_path, read_json, sha256, write_json
from audio_lottery.layout import Layout

TICKET, ABOUT = exported.ARCHIVED, "archived.json"


def archived(run: Path) -> bool:
    """Whether a round is kept as a ticket."""
    return (run / ABOUT).exists()


def archive(run: Path, average: Path, mask: Path | None) -> None:
    """Write the ticket of a finished round, read it back, bit for bit, and remove the model files.

    average: its averaged model. mask: the round's mask file; None for the dense round.
    """
    state = torch.load(average, map_location="cpu", weights_only=True)
    tensors = snapshot.digests(state)
    ticket_file.write(run / TICKET, exported.from_folder(run, average.resolve(), mask), "fp32")
    _state(run, tensors)
    write_json(run / ABOUT, {"model": average.resolve().name, "link": average.name, "sha256": sha256(average),
                             "tensors": tensors})
    tidy(run)


def tidy(run: Path) -> None:
    """Remove the model files of an archived round, those that were written out again, too."""
    if archived(run):
        for path in (*run.glob("*.pth"), Layout.stopped(run)):
            path.unlink(missing_ok=True)


def restore(run: Path) -> Path:
    """Write the averaged model of an archived round out again, under the name that it had."""
    about = read_json(run / ABOUT)
    path, link = run / Path(about["model"]).name, run / Path(about["link"]).name
    if not path.exists():
        state = _state(run, about["tensors"])
        with atomic_path(path) as temporary:
            torch.save(state, temporary)
    if link != path:
        with contextlib.suppress(FileExistsError):
            link.symlink_to(path.name)
    return link


def model_digest(run: Path) -> str | None:
    """SHA-256 of the averaged model file that an archived round had; None for another round."""
    return read_json(run / ABOUT)["sha256"] if archived(run) else None


def _state(run: Path, tensors: Mapping[str, str]) -> dict[str, torch.Tensor]:
    """The model in a ticket; what training from filterbanks has none of, its front end, is left out."""
    found = to_torch(ticket_file.read(run / TICKET).tensors)
    for name, digest in tensors.items():
        if name not in found or snapshot.tensor_digest(found[name]) != digest:
            raise LotteryError(f"{run / TICKET}: {name} is not as it was trained: restore the file, or train the round "
                               "again")
    return {name: found[name] for name in tensors}
