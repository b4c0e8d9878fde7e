"""What the documentation shows works: links lead somewhere, commands parse, configurations build, Python runs."""

import importlib
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from audio_lottery.bin import cli
from audio_lottery.bin.main import COMMANDS
from audio_lottery.config import LotteryConfig
from audio_lottery.config_file import load

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")),
         *sorted(ROOT.glob("egs2/*/asr1/README.md"))]
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def lines(block: str) -> list[list[str]]:
    """Every command of a shell block as words; those that leave something out by "..." are not whole."""
    found = []
    for line in re.sub(r"\\\n\s*", " ", block).splitlines():
        words = shlex.split(line, comments=True)
        while words and re.fullmatch(r"\w+=\S*", words[0]):
            words = words[1:]
        if words and not any("..." in word for word in words):
            found.append(words)
    return found


def options_of(script: Path) -> set[str]:
    """The options that a run.sh takes, its own and the shared ones, from its help."""
    done = subprocess.run([script, "--help"], capture_output=True, text=True, check=True)
    return {"help", *re.findall(r"--(\w+)", done.stdout)}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_commands_parse(page):
    commands = [line for block in blocks(page, "sh") for line in lines(block) if line[0] == "audio-lottery"]
    for name, *words in (line[1:] for line in commands):
        if name.startswith("-"):
            continue
        assert name in COMMANDS, name
        if name in ("asr_inference", "asr_transducer_inference"):
            continue  # their options are ESPnet's
        module = importlib.import_module(f"audio_lottery.bin.{name}")
        parser = cli.Parser(prog=name)
        module.add_arguments(parser)
        _, unknown = parser.parse_known_args(words)
        assert not unknown or hasattr(module, "PASS_ON"), f"{name}: {unknown}"


def recipe_calls(page: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every call of a run.sh: the script, as seen from where its block stands, and its arguments."""
    for block in blocks(page, "sh"):
        here = page.parent if page.parent.name == "asr1" else ROOT
        for command, *words in lines(block):
            if command == "cd" and (here / words[0]).is_dir():
                here = (here / words[0]).resolve()
            if command.endswith("run.sh"):
                yield ROOT / "run.sh" if command.startswith("/path/to") else (here / command).resolve(), words


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_recipes_take_the_options_that_are_shown(page):
    known: dict[Path, set[str]] = {}
    for script, words in recipe_calls(page):
        if script not in known:
            known[script] = options_of(script)
        given = dict(zip(words, [*words[1:], ""], strict=False))
        for word, value in given.items():
            if not re.fullmatch(r"--\w+", word):
                continue
            assert word[2:] in known[script], f"{script} {word}"
            # Only an ESPnet recipe's own configuration is none of this tree's.
            if word in ("--asr_config", "--lottery_conf") and "--token_list" not in given:
                assert any((base / value).is_file() for base in (script.parent, ROOT)), value
        conf = given.get("--lottery_conf", "conf/lottery/imp.yaml")
        assert load(ROOT / conf, given.get("--lottery_args", ""))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_configurations_build(page, tmp_path):
    for block in blocks(page, "yaml"):
        values = yaml.safe_load(block)
        if set(values) <= set(LotteryConfig.__dataclass_fields__):
            (tmp_path / "lottery.yaml").write_text(block)
            assert load(tmp_path / "lottery.yaml")


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.name)
def test_python_runs(page, tmp_path, monkeypatch):
    from audio_lottery.criteria import criteria

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(criteria, "_items", dict(criteria._items))  # an example may register its own
    for block in blocks(page, "python"):
        exec(compile(block, page.name, "exec"), {"__name__": page.stem})


def test_every_preset_is_in_the_docs():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    missing = [path.stem for path in ROOT.glob("conf/lottery/*.yaml") if path.stem not in text]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_no_path_of_a_machine(page):
    assert not re.search(r"(?<![\w.])/(home|root|tmp|work|Users)/", page.read_text(encoding="utf-8"))


def test_the_readmes_results_are_those_of_the_ledgers():
    """Each row is a table of RESULTS.md, which a test compares with the ledgers: test WER of its lines."""
    kinds = ("dense", "extreme ticket", "best ticket", "random pruning", "random ticket", "small dense")
    tables = []
    for part in (ROOT / "RESULTS.md").read_text(encoding="utf-8").split("\n### ")[1:]:
        rows = dict(map(_cells, re.findall(r"^\| (?:.*) \|$", part, re.M)))
        if set(kinds) <= set(rows):
            tables.append([rows["extreme ticket"][0], *(re.sub(r" \[.*?\]", "", rows[kind][5]) for kind in kinds)])
    shown = (ROOT / "README.md").read_text(encoding="utf-8").partition("| extreme ticket keeps, % |")[2]
    rows = [_cells(line)[1] for line in shown.partition("\n\n")[0].splitlines()[2:]]
    assert len(rows) == 5 and all(row in tables for row in rows)


def _cells(line: str) -> tuple[str, list[str]]:
    first, *rest = (cell.strip() for cell in line.strip("|").split("|"))
    return first, rest
