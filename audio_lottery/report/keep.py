"""Keep what a search found, small enough for git and free of this machine's paths: the evidence for RESULTS.md."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from audio_lottery.commands import NAME, remembered
from audio_lottery.data.features import ABOUT, training_set
from audio_lottery.errors import LotteryError
from audio_lottery.export.shipping import recorded
from audio_lottery.fileio import atomic_path, read_json, read_text, read_yaml, write_json, write_jsonl, write_text
from audio_lottery.ledger import Ledger
from audio_lottery.report.table import collect

# An absolute path of two or more parts, in a value or inside a command; not a URL's.
_PATH = re.compile(r"(?<![\w.:/~*)\]])/(?:[\w.+@-]+/)+[\w.+@-]+")


def keep(exp: Path, out: Path, commands: list[str]) -> list[Path]:
    """Copy ledger, errors by utterance, configurations, picture and commands of a scored search; the files written.

    exp: the search's folder. out: a folder such as results/NAME; made, its files of these names replaced.
    commands: lines that made the search; without any, those of EXP/commands.txt,
        or of EXP/report/RESULTS.md.
    Raises LotteryError where nothing is scored, or errors by utterance are missing.
    """
    rows = Ledger(exp / "rounds.jsonl").rows
    if not collect(rows, inference=_first_tag(rows)).tests:
        raise LotteryError(f"{exp / 'rounds.jsonl'}: nothing is scored: decode and score the search (stages 7, 8)")
    if not (exp / "errors.jsonl").is_file():
        raise LotteryError(f"{exp / 'errors.jsonl'}: no such file, but intervals and tests over seeds need the errors "
                           "by utterance: run audio-lottery score on this search again (stage 8)")
    recipe = recipe_of(exp)
    write_jsonl(out / "rounds.jsonl", [without_paths(row, recipe) for row in rows])
    written = [out / "rounds.jsonl", *_copied(exp, out)]
    for name in ("lottery.yaml", "training.yaml"):
        if (exp / name).is_file():
            written.append(out / name)
            write_text(written[-1], yaml.safe_dump(without_paths(read_yaml(exp / name), recipe)))
    for name, about in _records(exp, recipe).items():
        written.append(out / name)
        write_json(written[-1], about)
    lines = commands or remembered(exp) or shown_commands(exp / "report" / "RESULTS.md")
    if lines:
        written.append(out / NAME)
        write_text(written[-1], "".join(f"{without_paths(line, recipe)}\n" for line in lines))
    return written


def _copied(exp: Path, out: Path) -> Iterator[Path]:
    """Copy what has no paths in it."""
    for name in ("errors.jsonl", "report/wer.png"):
        if (exp / name).is_file():
            path = out / Path(name).name
            with atomic_path(path) as temporary:
                shutil.copyfile(exp / name, temporary)
            yield path


def _records(exp: Path, recipe: Path | None) -> dict[str, object]:
    """File name -> what is known of stored features, of transferred masks and of exported files."""
    source, exported = exp / "source" / "about.json", recorded(exp)
    found = {"features.json": _features(exp, recipe),
             "source.json": without_paths(read_json(source), recipe) if source.is_file() else None,
             "export.json": {"files": exported} if exported else None}
    return {name: about for name, about in found.items() if about}


def _features(exp: Path, recipe: Path | None) -> dict | None:
    """How the features were computed that a search was trained from; None for audio and where they are gone."""
    folder = training_set(read_yaml(exp / "training.yaml")) if (exp / "training.yaml").is_file() else None
    path = folder and (recipe or Path()) / folder / ABOUT
    return {"frontend_conf": read_json(path)["frontend_conf"]} if path and path.is_file() else None


def without_paths(value: object, recipe: Path | None) -> object:
    """``value`` with absolute paths cut: those below ``recipe`` become relative to it, others their last part."""
    if isinstance(value, str):
        return _PATH.sub(lambda found: _cut(found[0], recipe), value)
    if isinstance(value, dict):
        return {key: without_paths(one, recipe) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_paths(one, recipe) for one in value]
    return value


def shown_commands(page: Path) -> list[str]:
    """The lines of the last shell block of a page; none without page or block."""
    blocks = re.findall(r"^```sh\n(.*?)^```", read_text(page), re.M | re.S) if page.is_file() else []
    return blocks[-1].splitlines() if blocks else []


def _cut(path: str, recipe: Path | None) -> str:
    if recipe is not None and Path(path).is_relative_to(recipe):
        return str(Path(path).relative_to(recipe))
    return Path(path).name


def recipe_of(exp: Path) -> Path | None:
    """The folder that holds the search's ``exp/``."""
    whole = exp.resolve()
    return next((one.parent for one in whole.parents if one.name == "exp"), None)


def _first_tag(rows: list[dict]) -> str | None:
    return next((tag for row in rows for tag in row.get("scores", {})), None)
