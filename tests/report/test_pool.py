"""Several searches as one: every number below is computed by hand."""

import shutil
from pathlib import Path

import pytest

from audio_lottery.bin import cli, score, table
from audio_lottery.errors import LotteryError
from audio_lottery.ledger import Ledger
from audio_lottery.report.pool import pool
from audio_lottery.report.summary import facts
from audio_lottery.report.table import collect

REFERENCES = {"a": {"u1": "one two", "u2": "three four"}, "b": {"v1": "one two three", "v2": "four five six"}}
# Errors: round 0 has 0 + 1, round 1 has 1 + 0, round 2 has 0 + 3 (in fold a it would be the best).
HYPOTHESES = {
    "a": [{}, {"u1": "one six"}, {}],
    "b": [{"v1": "one two"}, {}, {"v1": "nine nine nine"}],
}


def write(path: Path, texts: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{utt} {text}\n" for utt, text in texts.items()))


@pytest.fixture
def folds(tmp_path) -> list[Path]:
    for fold, references in REFERENCES.items():
        exp, data = tmp_path / fold / "exp", tmp_path / fold / "dump"
        for name in ("dev", "test"):
            write(data / name / "text", references)
            write(data / name / "utt2spk", dict.fromkeys(references, fold))
            for number, changed in enumerate(HYPOTHESES[fold]):
                write(exp / f"round_{number:02d}/decode_greedy/{name}/text", references | changed)
        for number in range(3):
            density = (1.0, 0.8, 0.5 if fold == "a" else 0.7)[number]
            Ledger(exp).record(number, density_scope=density, rate=0.2, seed=0 if fold == "a" else 1,
                               macs={"seconds": 10.0, "dense": 100, "sparse": 40 if fold == "a" else 60})
        assert cli.main(score, [str(exp), "--sets", "dev", "test", "--refs", str(data)]) == 0
    return [tmp_path / fold / "exp" for fold in REFERENCES]


def test_errors_and_words_are_summed(folds):
    found = [row["scores"]["greedy"]["dev"] for row in pool(folds)]
    assert [(one["errors"], one["words"], one["wer"]) for one in found] == [(1, 10, 10), (1, 10, 10), (3, 10, 30)]
    assert [one["utterances"] for one in found] == [4, 4, 4]
    assert (found[2]["sub"], found[0]["del"]) == (3, 1)


def test_the_paired_test_is_of_all_utterances(folds):
    """Round 1 differs by +1 and -1: 3 of the 4 sign patterns reach their sum 0. Round 2 by +2: one of 2."""
    found = [row["scores"]["greedy"]["dev"] for row in pool(folds)]
    assert [one["p_worse"] for one in found] == [1, 0.75, 0.5]
    assert [one["matches"] for one in found] == [True, True, True]


def test_the_interval_is_that_of_the_four_utterances(folds):
    """Round 2 has one bad utterance of 3 of the 10 words; a draw may have it never, or only."""
    low, high = pool(folds)[2]["scores"]["greedy"]["dev"]["ci"]
    assert low == 0
    assert 60 < high <= 100


def test_a_second_seed_makes_no_utterance_two(folds):
    """A search beside its own copy says as much as alone: interval and test are those of its two utterances."""
    copy = folds[0].parent / "copy"
    shutil.copytree(folds[0], copy)
    alone, (_, pooled, _) = Ledger(folds[0]).rows[1]["scores"]["greedy"]["dev"], pool([folds[0], copy])
    found = pooled["scores"]["greedy"]["dev"]
    assert (found["errors"], found["words"], found["utterances"]) == (2, 8, 2)
    assert (found["ci"], found["p_worse"]) == (alone["ci"], alone["p_worse"])


def test_seeds_are_named_and_costs_are_means(folds):
    for fold, steps in zip(folds, (10, 20), strict=True):
        Ledger(fold).record(1, dense_equivalent_steps=steps, search_steps=5, search_dense_equivalent_steps=steps / 2)
    row = pool(folds)[1]
    assert (row["seeds"], row["dense_equivalent_steps"], row["search_dense_equivalent_steps"]) == ([0, 1], 15, 7.5)
    assert "seed 0, 1" in facts(collect(pool(folds)))[0]


def test_densities_and_macs_are_means_and_what_differs_is_left_out(folds):
    rows = pool(folds)
    assert [row["density_scope"] for row in rows] == pytest.approx([1, 0.8, 0.6])
    assert rows[2]["macs"] == {"seconds": 10.0, "dense": 100, "sparse": 50}
    assert rows[1]["rate"] == 0.2
    assert "seed" not in rows[1]
    assert [row["searches"] for row in rows] == [2, 2, 2]


def test_tickets_are_chosen_on_the_pooled_dev(folds):
    alone, pooled = collect(Ledger(folds[0]).rows).choice, collect(pool(folds)).choice
    assert (alone.extreme, alone.best) == (2, 2)
    assert (pooled.extreme, pooled.best) == (2, 1)


def test_only_rounds_that_all_searches_have_and_scored(folds):
    Ledger(folds[0]).record(3, density_scope=0.4)
    Ledger(folds[1]).record(3, density_scope=0.4)
    Ledger(folds[1]).record(4, density_scope=0.3)
    rows = pool(folds)
    assert [row["round"] for row in rows] == [0, 1, 2, 3]
    assert "scores" not in rows[3]


def test_the_command(folds, capsys, tmp_path):
    capsys.readouterr()
    assert cli.main(table, [*map(str, folds), "--report", str(tmp_path / "report")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[4].split()[:2] == ["2", "60.0"] and " 30.0 [" in lines[4]
    assert "best ticket: round 1, 80.0% of scope, -% of model; WER % dev 10.00, test 10.00" in lines
    assert "pooled over 2 searches" in (tmp_path / "report/RESULTS.md").read_text()


def test_one_search_is_shown_as_it_is(folds, capsys):
    capsys.readouterr()
    assert cli.main(table, [str(folds[0])]) == 0
    assert "25.0 [" in capsys.readouterr().out


@pytest.mark.parametrize("fault, said", [
    ("twice", "given twice"),
    ("changed", "round 1 has 2 errors by utterance, rounds.jsonl says 1"),
    ("gone", "errors.jsonl: no errors of round 0 on dev: score .* again"),
    ("cut", "the lists of round 1 on dev differ in length"),
    ("none", "no round recorded"),
    ("inference", "several inferences"),
    ("alpha", "--alpha: the searches were scored with different values"),
])
def test_faults_are_one_line(folds, tmp_path, fault, said):
    exps, kept = list(folds), folds[0] / "errors.jsonl"
    if fault == "twice":
        exps[1] = folds[0]
    elif fault == "changed":
        kept.write_text(kept.read_text().replace("[1, 0]", "[1, 1]"))
    elif fault == "gone":
        kept.unlink()
    elif fault == "cut":
        kept.write_text(kept.read_text().replace("[1, 0]", "[1]"))
    elif fault == "none":
        exps[1] = tmp_path
    elif fault == "inference":
        path = folds[1] / "rounds.jsonl"
        path.write_text(path.read_text().replace('"greedy"', '"beam"'))
    elif fault == "alpha":
        path = folds[1] / "rounds.jsonl"
        path.write_text(path.read_text().replace('"alpha": 0.05', '"alpha": 0.01'))
    with pytest.raises(LotteryError, match=said) as caught:
        pool(exps)
    assert "\n" not in str(caught.value)
