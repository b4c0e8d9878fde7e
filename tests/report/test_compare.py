"""Methods side by side: every number below is computed by hand."""

import json
from pathlib import Path

import pytest

from audio_lottery.bin import cli, compare
from audio_lottery.errors import LotteryError
from audio_lottery.fileio import write_jsonl
from audio_lottery.report.compare import compare as compared
from audio_lottery.report.compare_table import to_markdown

UTTERANCES, WORDS = ["a", "b", "c"], [4, 4, 2]
# (density of the whole model, steps, errors by utterance) of each round.
IMP = {0: [(1.0, 100, [0, 0, 1]), (0.5, 100, [1, 0, 0]), (0.25, 100, [0, 0, 0])],
       1: [(1.0, 100, [0, 0, 0]), (0.5, 100, [1, 0, 0]), (0.25, 100, [1, 0, 0])]}
ONCE = {0: [(1.0, 100, [0, 0, 1]), (0.2, 100, [1, 1, 0])], 1: [(1.0, 100, [0, 0, 0]), (0.2, 100, [1, 0, 2])]}


def write(folder: Path, seed: int, rounds) -> Path:
    rows, kept = [], [{"inference": "greedy", "set": "dev", "utterances": UTTERANCES, "words": WORDS}]
    for number, (density, steps, errors) in enumerate(rounds):
        rows.append({"round": number, "seed": seed, "steps": steps, "density_whole": density, "density_scope": density,
                     "macs": {"seconds": 10.0, "dense": 100, "sparse": 100 * density},
                     "scores": {"greedy": {"dev": {"wer": 10.0 * sum(errors), "errors": sum(errors)}}}})
        kept.append({"inference": "greedy", "set": "dev", "round": number, "errors": errors})
    write_jsonl(folder / "rounds.jsonl", rows)
    write_jsonl(folder / "errors.jsonl", kept)
    return folder


@pytest.fixture
def methods(tmp_path) -> dict[str, list[Path]]:
    return {name: [write(tmp_path / f"{name}_{seed}", seed, rounds) for seed, rounds in of.items()]
            for name, of in {"imp": IMP, "once": ONCE}.items()}


def test_means_spreads_and_costs(methods):
    points = compared(methods)
    assert [(one.method, one.number) for one in points] == [("imp", 0), ("imp", 1), ("imp", 2), ("once", 1)]
    last = points[-1]
    assert last.scores["dev"].wers == (20.0, 30.0)
    assert (last.scores["dev"].mean, last.scores["dev"].spread) == (25.0, pytest.approx(50**0.5))
    assert (last.cost.own, last.cost.search, last.cost.dense) == (100, 100, 120)
    assert points[2].cost.steps == 300 and points[2].cost.dense == 175
    assert (last.against, last.share) == (2, pytest.approx(2 / 3))
    assert points[2].against is None


def test_the_paired_test_sums_an_utterances_errors_over_seeds(methods):
    """once 2, 1, 2 against imp's round 2: 1, 0, 0. Differences 1, 1, 2: one of 8 sign patterns reaches 4."""
    score = compared(methods)[-1].scores["dev"]
    assert score.p_reference == 1 / 8
    # Against dense 0, 0, 1: differences 2, 1, 1.
    assert score.p_dense == 1 / 8
    # imp's round 1, 2, 0, 0 against dense 0, 0, 1: differences 2, -1; patterns of sum 1 or more: 3 or 1, 2 of 4.
    assert compared(methods)[1].scores["dev"].p_dense == 2 / 4


def test_only_seeds_that_both_have_are_tested(methods):
    methods["once"].append(write(methods["once"][0].parent / "once_2", 2, ONCE[0]))
    found = compared(methods)[-1]
    assert found.seeds == (0, 1, 2) and found.scores["dev"].p_reference == 1 / 8


def test_a_search_that_goes_on_does_not_hide_the_others(methods):
    rows = [json.loads(line) for line in (methods["once"][1] / "rounds.jsonl").read_text().splitlines()]
    del rows[1]["scores"]
    write_jsonl(methods["once"][1] / "rounds.jsonl", rows)
    found = compared(methods)[-1]
    assert found.seeds == (0,) and found.scores["dev"].spread is None


def test_without_errors_there_is_no_test(methods):
    (methods["once"][0] / "errors.jsonl").unlink()
    score = compared(methods)[-1].scores["dev"]
    assert score.mean == 25 and score.p_reference is None and score.p_dense is None


def test_rounds_stopped_early_have_no_ticket(methods):
    path = methods["imp"][0] / "rounds.jsonl"
    rows = [json.loads(line) | {"full": number != 1} for number, line in enumerate(path.read_text().splitlines())]
    write_jsonl(path, rows)
    found = compared(methods)
    assert [one.seeds for one in found if one.method == "imp"] == [(0, 1), (1,), (0, 1)]
    assert found[2].cost.search == 200


def test_the_table(methods):
    lines = to_markdown(compared(methods)).splitlines()
    assert lines[0].split(" | ")[5:8] == ["dev WER", "p dense", "p imp"]
    assert lines[5] == ("| once | 1 | 2 | 20.0 | 20.0 | 25.0 ± 7.1 | 0.125 | 0.125 | 100 | 100 | 120 | 0.67 |")
    assert lines[2].startswith("| dense | 0 | 2 | 100.0 |")


def test_the_command(methods, tmp_path, capsys):
    words = [word for name, folders in methods.items() for word in ["--method", name, *map(str, folders)]]
    assert cli.main(compare, [*words, "--at", "0.2", "--report", str(tmp_path / "report")]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [line.split()[1] for line in lines[2:]] == ["dense", "imp", "once"]
    report = tmp_path / "report"
    assert sorted(path.name for path in report.iterdir()) == ["compare.json", "compare.md", "compare.png",
                                                              "compare.svg"]
    assert len(json.loads((report / "compare.json").read_text())) == 4
    before = (report / "compare.svg").read_bytes()
    assert cli.main(compare, [*words, "--report", str(report), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 4
    assert (report / "compare.svg").read_bytes() == before


@pytest.mark.parametrize("fault, said", [
    ("twice", "has seed 0, as .*: give one search of imp a seed"),
    ("other", "scored on different utterances"),
    ("none", "no round recorded"),
    ("unscored", "nothing is scored"),
])
def test_faults_are_one_line(methods, tmp_path, fault, said):
    if fault == "twice":
        methods["imp"][1] = methods["imp"][0]
    elif fault == "other":
        path = methods["once"][0] / "errors.jsonl"
        path.write_text(path.read_text().replace('"b"', '"d"'))
    elif fault == "none":
        methods["imp"][0] = tmp_path
    elif fault == "unscored":
        for folder in (*methods["imp"], *methods["once"]):
            path = folder / "rounds.jsonl"
            path.write_text(path.read_text().replace('"scores"', '"none"'))
    with pytest.raises(LotteryError, match=said) as caught:
        compared(methods)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("words, said", [
    (["--method", "imp"], "--method imp: no folder"),
    (["--method", "imp", "a", "--method", "imp", "b"], "--method imp: is given twice"),
    (["--method", "imp", "a", "--at", "20"], "--at 20.0: not a density"),
])
def test_bad_arguments(words, said, capsys):
    assert cli.main(compare, words) == 1
    assert said in capsys.readouterr().err
