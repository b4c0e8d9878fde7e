"""Search costs from ledgers, by hand."""

from audio_lottery.report.cost import Cost, costs, mean


def row(number, steps=100, sparse=100, **more):
    return {"round": number, "steps": steps, "macs": {"seconds": 10.0, "dense": 100, "sparse": sparse}, **more}


def test_an_older_ledger_of_rounds():
    found = costs([row(0), row(2, 80, 50), row(1, 100, 80)])
    assert found == {0: Cost(100, 0, 100, 0), 1: Cost(100, 100, 80, 100), 2: Cost(80, 200, 40, 180)}
    assert (found[2].steps, found[2].dense) == (280, 220)


def test_the_ledgers_own_keys_come_first():
    told = {"search_steps": 30, "dense_equivalent_steps": 70, "search_dense_equivalent_steps": 20}
    found = costs([row(0), row(1, 90, 50, **told)])
    assert found[1] == Cost(90, 30, 70, 20)


def test_masks_that_cost_nothing_and_masks_of_another_search():
    rows = [row(0), row(1, 100, 80)]
    assert costs(rows, {"prune_from": "init"})[1] == costs(rows, {"criterion": "random"})[1] == Cost(100, 0, 80, 0)
    assert costs(rows, {"masks_from": "imp"})[1] == Cost(100, None, 80, None)
    assert costs(rows, {"masks_from": "imp"})[1].steps is None
    assert costs(rows, {"masks_from": None, "prune_from": "last"})[1].search == 100


def test_what_a_ledger_lacks_is_not_known():
    found = costs([{"round": 0}, row(1), {"round": 2, "steps": 5}])
    assert found[1] == Cost(100, None, 100, None)
    assert found[2] == Cost(5, None, None, None)


def test_mean():
    assert mean([Cost(1, 2, 3, 4), Cost(3, None, 5, 0)]) == Cost(2, None, 4, 2)
