"""The table of a search."""

import pytest

from audio_lottery.report.table import collect, giga, p_value, percent, tickets, to_markdown, to_text


def score(wer: float, p: float | None, matching: bool | None) -> dict:
    return {"wer": wer, "ci": [wer - 1, wer + 1.26], "p_worse": p, "matches": matching, "alpha": 0.05}


def search(sets=("dev", "test"), rounds=4) -> list[dict]:
    """Round 2 is best, round 3 does not match; the last round is not scored."""
    rows = []
    for number in range(rounds):
        macs = {"seconds": 10.0, "dense": 412_000_000, "sparse": 412_000_000 // (number + 1)}
        row = {"round": number, "density_scope": 0.8**number, "density_whole": 0.82**number, "macs": macs}
        if number < rounds - 1:
            found = {name: score(10 - number, 1 / (1 + number**6), number < 2) for name in sets}
            row["scores"] = {"greedy": found}
        rows.append(row)
    return rows


def test_text():
    assert to_text(collect(search())).split("\n")[:6] == [
        "round  scope %  model %  MACs 10s  dev WER [95% CI]      p    =  test WER [95% CI]      p    =",
        "-----  -------  -------  --------  ----------------  -----  ---  -----------------  -----  ---",
        "    0    100.0    100.0   0.412 G  10.0 [9.0, 11.3]      -    -   10.0 [9.0, 11.3]      -    -",
        "    1     80.0     82.0   0.206 G   9.0 [8.0, 10.3]  0.500  yes    9.0 [8.0, 10.3]  0.500  yes",
        "    2     64.0     67.2   0.137 G    8.0 [7.0, 9.3]  0.015   no     8.0 [7.0, 9.3]  0.015   no",
        "    3     51.2     55.1   0.103 G                 -      -    -                  -      -    -",
    ]


def test_tickets_and_their_test_wer():
    results = collect(search())
    assert tickets(results) == [
        "dense model: round 0, 100.0% of scope, 100.0% of model; WER % dev 10.00, test 10.00",
        "extreme ticket: round 1, 80.0% of scope, 82.0% of model; WER % dev 9.00, test 9.00",
        "best ticket: round 2, 64.0% of scope, 67.2% of model; WER % dev 8.00, test 8.00",
    ]
    values = results.to_json()
    assert (values["extreme"], values["best"]) == (1, 2)
    assert values["test_wer"] == {"dense": {"test": 10}, "extreme": {"test": 9}, "best": {"test": 8}}


@pytest.mark.parametrize("sets", [("dev",), ("dev", "test"), ("dev", "dev2", "clean", "other", "noisy")])
def test_lines_are_no_longer_than_a_screen_and_all_sets_are_shown(sets):
    text = to_text(collect(search(sets, rounds=15)))
    assert all(f"{name} WER" in text for name in sets)
    table = text[: text.index("scope, model:")]
    assert max(map(len, table.split("\n"))) <= 110
    assert len({len(line) for line in table.split("\n\n")[0].split("\n")}) == 1


def test_nothing_scored_yet():
    text = to_text(collect([{"round": 0}, {"round": 1, "macs": None}]))
    assert text.split("\n")[2].split() == ["0", *"-" * 6]
    assert "extreme ticket: none yet (needs dev scores)" in text


def test_no_round_matches():
    rows = [{"round": n, "density_scope": 0.8**n, "density_whole": 0.8**n,
             "scores": {"greedy": {"dev": score(5 + n, 0.01 if n else None, False if n else None)}}} for n in (0, 1)]
    assert "extreme ticket: none: no round matches the dense model on dev" in tickets(collect(rows))


def test_without_the_dense_score_nothing_is_marked():
    rows = [{"round": 1, "density_scope": 0.8, "scores": {"greedy": {"dev": score(9, None, None)}}}]
    results = collect(rows)
    assert to_text(results).split("\n")[2].split() == "1 80.0 - - 9.0 [8.0, 10.3] - -".split()
    assert (results.choice.extreme, results.choice.best) == (None, 1)


def test_markdown_has_a_cell_for_each_head():
    lines = to_markdown(collect(search(("dev", "a", "b")))).split("\n")[:6]
    assert len({line.count("|") for line in lines}) == 1
    assert lines[0].count("WER") == 3


def test_figures():
    assert [percent(x) for x in (None, 1.0, 0.1234, 0.04444)] == ["-", "100.0", "12.3", "4.44"]
    assert [giga(x) for x in (None, 412_345_678)] == ["-", "0.412 G"]
    assert [p_value(x) for x in (0.5, 0.001, 0.0004)] == ["0.500", "0.001", "<.001"]
