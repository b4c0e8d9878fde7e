"""Tickets as a command line names them: ``EXP`` (the latest round) or ``EXP:ROUND``."""

from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.layout import Layout


def parse(ticket: str) -> tuple[Layout, int | None]:
    """The search's folder and the round, None where none is named. A path with a colon in it is taken as a path."""
    folder, colon, number = ticket.rpartition(":")
    if colon and number.isdigit() and not Path(ticket).exists():
        return Layout(Path(folder)), int(number)
    return Layout(Path(ticket)), None


def mask_file(ticket: str) -> Path:
    """The mask of ``EXP`` or ``EXP:ROUND``; another path is taken as a mask file."""
    layout, number = parse(ticket)
    if not layout.folder.is_dir():
        return Path(ticket)
    masks = sorted(layout.folder.glob("masks/round_*.safetensors"))
    if number is not None and layout.mask(number) in masks:
        return layout.mask(number)
    if number is not None or not masks:
        had = ", ".join(str(int(path.stem[6:])) for path in masks) or "none"
        raise LotteryError(f"{layout.folder}: no mask{'' if number is None else f' of round {number}'}: rounds with "
                           f"one: {had}")
    return masks[-1]


def round_folder(ticket: str) -> Path:
    """The folder of a trained round: of ``EXP`` the latest; a path with a config.yaml in it is taken as it is."""
    layout, number = parse(ticket)
    if number is None and (layout.folder / "config.yaml").is_file():
        return layout.folder
    finished = layout.finished()
    if not finished or number not in (None, *finished):
        raise LotteryError(f"{ticket}: no trained round: give EXP, EXP:ROUND or an ESPnet experiment folder (rounds of "
                           f"{layout.folder}: {', '.join(map(str, finished)) or 'none'})")
    return layout.round(finished[-1] if number is None else number)
