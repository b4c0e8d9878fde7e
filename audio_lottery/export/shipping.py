"""Which round of a search to ship, and its ticket files with their sizes and errors (stage 9)."""

from collections.abc import Callable
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.export import folder, summary, ticket_file
from audio_lottery.fileio import read_json, write_json
from audio_lottery.layout import Layout
from audio_lottery.ledger import Ledger
from audio_lottery.metrics.choose import choose, inference_tag

VALUES = ("fp32", "fp16", "int8")


def choose_round(exp: Path, which: str, dev: str, inference: str | None = None) -> int:
    """``extreme`` or ``best`` by the dev set, or a number; LotteryError where there is no such round."""
    rows = Ledger(exp / "rounds.jsonl").rows
    if which in ("extreme", "best"):
        number = getattr(choose(rows, dev, inference_tag(rows, inference)), which)
        if number is None:
            raise LotteryError(f"{exp}: no {which} ticket on {dev}: score the search (stage 8), or name a round")
        return number
    if not which.isdecimal() or int(which) not in {row["round"] for row in rows}:
        done = ", ".join(str(row["round"]) for row in rows) or "none yet"
        raise LotteryError(f"{exp}: no round {which}: give extreme, best or one of its rounds ({done})")
    return int(which)


def write_tickets(exp: Path, number: int, out: Path) -> list[dict]:
    """Write the round's ticket files to ``out``, one for each kind of values, each read back and compared.

    Of each: round, file, bytes, dense_bytes (of all weights as the model keeps them) and error, the largest
    difference as a share of a row's largest magnitude.
    """
    run = Layout(exp).round(number)
    ticket, state, made = folder.from_folder(run), folder.load_state(folder.find_model(run)), []
    for values in VALUES:
        path = out / f"round_{number:02d}_{values}.ticket"
        ticket_file.write(path, ticket, values)
        reader = ticket_file.open_reader(path)
        error = summary.compare(reader, ticket_file.from_reader(reader), state)
        sizes = summary.summarise(reader)
        made.append({"round": number, "file": path.name, "bytes": sizes["file_bytes"],
                     "dense_bytes": sizes["dense_bytes"], "error": error})
    return made


def add_onnx(made: list[dict], out: Path, export: Callable[[Path], None]) -> list[dict]:
    """``made`` with the ONNX files that ``export`` writes to a folder, in one row: their bytes, the largest error."""
    export(out / "onnx")
    files = read_json(out / "onnx" / "model.json")["files"].values()
    first = made[0]
    return [*made, {"round": first["round"], "file": "onnx/*.onnx", "bytes": sum(file["bytes"] for file in files),
                    "dense_bytes": first["dense_bytes"], "error": max(file["difference"] for file in files)}]


def record(out: Path, made: list[dict]) -> None:
    """Write export.json beside the files."""
    write_json(out / "export.json", {"files": made})


def recorded(exp: Path) -> list[dict]:
    """The files of all rounds that were exported."""
    return [one for path in sorted(exp.glob("export/round_*/export.json")) for one in read_json(path)["files"]]
