"""The Python scorer's counts are sclite's."""

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.metrics.sclite import find_sclite, parse_result, run_sclite
from audio_lottery.metrics.trn import special_to_sclite, write_trn
from audio_lottery.metrics.wer import Counts, align, characters, count, count_texts, total, words

STORED = Path(__file__).with_name("sclite_counts.jsonl")  # made by sclite of SCTK 2.4.10
VOCABULARY = "one two THREE three a B É é ß 数 it's x-y <unk> %hes / } a:b (u) a\u00a0b x\u3000y ~".split(" ")
sequences = st.lists(st.sampled_from("abc"), max_size=9)


def test_counts_are_those_stored_from_sclite():
    rows = [json.loads(line) for line in STORED.read_text(encoding="utf-8").split("\n") if line]
    assert len(rows) == 150
    for reference, hypothesis, expected in rows:
        assert count(words(reference), words(hypothesis)) == Counts(*expected), (reference, hypothesis)


def random_pair(generator: random.Random) -> tuple[str, str]:
    """Half of the hypotheses are edited references, half are drawn afresh; either may be empty."""
    vocabulary = VOCABULARY[: generator.choice([2, 3, 6, len(VOCABULARY)])]
    sizes = [0, 1, 2, 3, 5, 8, 12, 25]
    reference = generator.choices(vocabulary, k=generator.choice(sizes))
    if generator.random() < 0.5:
        return " ".join(reference), " ".join(generator.choices(vocabulary, k=generator.choice(sizes)))
    hypothesis = [word for word in reference if generator.random() < 0.8]
    for _ in range(generator.randint(0, 4)):
        hypothesis.insert(generator.randint(0, len(hypothesis)), generator.choice(vocabulary))
    return " ".join(reference), " ".join(hypothesis)


@pytest.mark.skipif(find_sclite() is None, reason="sclite is not installed (Debian package sctk)")
@pytest.mark.parametrize("seed", [1, 2])
def test_counts_equal_those_of_the_real_sclite(tmp_path, seed):
    generator = random.Random(seed)
    pairs = {f"Utt-{n}_x": random_pair(generator) for n in range(3000)}
    references, hypotheses = ({utt: pair[side] for utt, pair in pairs.items()} for side in (0, 1))
    speakers = {utt: f"S{n % 7}" for n, utt in enumerate(pairs)}
    assert special_to_sclite(references, speakers) is None
    assert special_to_sclite(hypotheses, speakers) is None
    write_trn(tmp_path / "ref.trn", references, speakers)
    write_trn(tmp_path / "hyp.trn", hypotheses, speakers)
    by_id = parse_result(run_sclite(find_sclite(), tmp_path / "ref.trn", tmp_path / "hyp.trn"))
    ours = count_texts(references, hypotheses)
    for utt, pair in pairs.items():
        assert ours[utt] == by_id[f"{speakers[utt]}-{utt}".lower()], pair
    assert len(by_id) == len(pairs)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("", "", Counts()),
        ("", "a b", Counts(inserted=2)),
        ("a b", "", Counts(deleted=2)),
        ("one two three", "one TOO three four", Counts(2, 1, 0, 1)),
        ("Hello", "hELLO", Counts(1)),
        ("É", "é", Counts(substituted=1)),
        ("a\u00a0b", "a b", Counts(0, 1, 0, 1)),
    ],
)
def test_counts_by_hand(reference, hypothesis, expected):
    assert count(words(reference), words(hypothesis)) == expected


@given(sequences, sequences)
def test_alignment_rebuilds_both_and_costs_least(reference, hypothesis):
    steps = align(reference, hypothesis)
    assert [ref for _, ref, _ in steps if ref is not None] == reference
    assert [hyp for _, _, hyp in steps if hyp is not None] == hypothesis
    assert all((step == "C") == (ref == hyp) for step, ref, hyp in steps)
    cost = sum({"C": 0, "S": 4, "D": 3, "I": 3}[step] for step, _, _ in steps)
    assert cost == cheapest(tuple(reference), tuple(hypothesis))


def cheapest(reference: tuple, hypothesis: tuple) -> int:
    """The least cost by the textbook's recursion, cell by cell."""
    row = [3 * j for j in range(len(hypothesis) + 1)]
    for i, ref in enumerate(reference, 1):
        above, row = row, [3 * i]
        for j, hyp in enumerate(hypothesis, 1):
            row.append(min(above[j - 1] + 4 * (ref != hyp), above[j] + 3, row[-1] + 3))
    return row[-1]


def test_rate_of_an_empty_reference():
    assert Counts().rate == 0
    assert Counts(inserted=3).rate == 100
    assert Counts(3, 1, 0, 0).rate == 25


def test_total_adds_up():
    summed = total({"a": Counts(1, 2, 3, 4), "b": Counts(10, 20, 30, 40)})
    assert (summed, summed.words, summed.errors) == (Counts(11, 22, 33, 44), 66, 99)


def test_characters_count_a_blank_as_one():
    assert characters(" ab  c\t") == "a b <space> c"
    assert characters("") == ""
