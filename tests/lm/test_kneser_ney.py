"""Modified Kneser-Ney: against files that lmplz made, against sums of 1, and on bad input."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio_lottery.errors import LotteryError
from audio_lottery.lm import arpa
from audio_lottery.lm.counts import count_ngrams
from audio_lottery.lm.kneser_ney import closed_form_discounts, estimate, prune_thresholds
from audio_lottery.lm.query import Arpa

REFERENCE = Path(__file__).parent / "reference"
DEV_CLEAN = Path(__file__).parents[2] / "../shared/corpora/librispeech_text/dev-clean.txt"
# lmplz computes in float32 and prints 8 digits; this package computes in float64 and prints 7.
ROUNDING = 5e-6


def model_of(sentences, order, prune=(), fallback=True, folder=None) -> Arpa:
    path = folder / "lm.arpa"
    arpa.write(path, lambda: arpa.lines(estimate(count_ngrams(sentences, order), prune, fallback)))
    return Arpa.read(path)


def sentences_of(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("reference", "text", "order", "prune", "fallback"),
    [
        ("syllables_order3.arpa", "syllables", 3, (), False),
        ("order3.arpa", "text", 3, (), True),
        ("order5_pruned.arpa", "text", 5, (0, 0, 1), True),
        ("order3_pruned1.arpa", "text", 3, (1, 1, 2), True),
    ],
)
def test_agrees_with_lmplz(tmp_path, reference, text, order, prune, fallback):
    theirs = Arpa.read(REFERENCE / reference)
    ours = model_of(sentences_of(REFERENCE / text), order, prune, fallback, tmp_path)
    for mine, wanted in zip(ours.grams, theirs.grams, strict=True):
        assert mine.keys() == wanted.keys()
        for gram, values in wanted.items():
            assert mine[gram] == pytest.approx(values, abs=ROUNDING), gram


@pytest.mark.skipif(not DEV_CLEAN.exists(), reason="LibriSpeech's transcripts are not there")
@pytest.mark.parametrize("case", range(3))
def test_agrees_with_lmplz_on_54_thousand_words(tmp_path, case):
    reference = json.loads((REFERENCE / "dev_clean.json").read_text())["models"][case]
    ours = model_of(sentences_of(DEV_CLEAN), reference["order"], reference["prune"], reference["fallback"], tmp_path)
    assert [len(grams) for grams in ours.grams] == reference["ngrams"]
    for gram, *values in reference["sample"]:
        assert ours.grams[gram.count(" ")][gram] == pytest.approx(values, abs=ROUNDING), gram


texts = st.lists(st.lists(st.sampled_from("abcdefg"), max_size=7), min_size=1, max_size=30)


@settings(max_examples=60, deadline=None)
@given(texts, st.integers(1, 6), st.lists(st.integers(0, 3), max_size=3).map(sorted), st.randoms())
def test_probabilities_sum_to_one(tmp_path_factory, sentences, order, prune, random):
    order = min(order, max(map(len, sentences)) + 2)
    model = model_of(sentences, order, prune[:order], True, tmp_path_factory.mktemp("lm"))
    words = [word for word in model.grams[0] if word != "<s>"]
    contexts = [gram.split(" ") for grams in model.grams[:-1] for gram in grams if not gram.endswith("</s>")]
    unseen = [[random.choice(words) for _ in range(random.randrange(order))] for _ in range(20)]
    for context in [[], *contexts, *unseen]:
        total = sum(10 ** model.log10(word, context) for word in words)
        assert total == pytest.approx(1, abs=1e-5), context


def test_by_hand():
    """Bigrams of 'a b', 'a b', 'a c': <s> a 3, a b 2, a c 1, b </s> 2, c </s> 1.

    Different words before: a 1, b 1, c 1, </s> 2, so n1 = 3, n2 = 1, n3 = 0 and unigrams take 0.5, 1, 1.5.
    Bigrams have n1 = 2, n2 = 2, n3 = 1, n4 = 0: y = 1/3, D1 = 1 - 2y = 1/3, D2 = 2 - 3y/2 = 3/2, D3 = 3.
    """
    model = estimate(count_ngrams([["a", "b"], ["a", "b"], ["a", "c"]], 2))
    words = model.counts.words
    assert model.fallback == [1]
    assert model.discounts[1] == pytest.approx((1 / 3, 3 / 2, 3))
    gamma = (0.5 * 3 + 1 * 1) / 5  # spread over <unk>, a, b, c, </s>
    unigram = {word: (count - off) / 5 + gamma / 5 for word, count, off in
               [("<unk>", 0, 0), ("a", 1, 0.5), ("b", 1, 0.5), ("c", 1, 0.5), ("</s>", 2, 1)]}  # fmt: skip
    for word, value in unigram.items():
        assert model.probability[0][words.index(word)] == pytest.approx(value)
    bigrams = model.counts.orders[1]
    at = {(words[c], words[w]): i for i, (c, w) in enumerate(zip(bigrams.context, bigrams.last, strict=True))}
    backoff = (3 / 2 + 1 / 3) / 3  # of the context a
    assert model.backoff[0][words.index("a")] == pytest.approx(backoff)
    assert model.probability[1][at["a", "b"]] == pytest.approx((2 - 3 / 2) / 3 + backoff * unigram["b"])
    assert model.probability[1][at["a", "c"]] == pytest.approx((1 - 1 / 3) / 3 + backoff * unigram["c"])
    assert model.probability[1][at["<s>", "a"]] == pytest.approx(unigram["a"])


def test_discounts_follow_equation_26():
    adjusted = np.repeat([1, 2, 3, 4, 9], [50, 20, 10, 6, 4])
    y = 50 / (50 + 2 * 20)
    discounts, problem = closed_form_discounts(adjusted)
    assert problem is None
    assert discounts == pytest.approx((1 - 2 * y * 20 / 50, 2 - 3 * y * 10 / 20, 3 - 4 * y * 6 / 10))


def test_counts_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    sentences = [[f"w{i}" for i in rng.zipf(1.6, rng.integers(1, 9)) if i < 300] for _ in range(300)]
    counts = count_ngrams(sentences, 4)
    texts = [""]
    for k, grams in enumerate(counts.orders):
        expected: dict[str, int] = {}
        for sentence in sentences:
            padded = ["<s>", *sentence, "</s>"]
            for i in range(len(padded) - k):
                gram = " ".join(padded[i : i + k + 1])
                if gram != "<s>":
                    expected[gram] = expected.get(gram, 0) + 1
        texts = [
            f"{texts[c]} {counts.words[w]}" if k else counts.words[w]
            for c, w in zip(grams.context, grams.last, strict=True)
        ]
        assert {t: c for t, c in zip(texts, grams.count.tolist(), strict=True) if c} == expected


def test_pruning_keeps_what_was_seen_often(tmp_path):
    sentences = sentences_of(REFERENCE / "text")
    counts = count_ngrams(sentences, 3)
    model = estimate(counts, [0, 0, 1])
    assert [int(keep.sum()) for keep in model.keep[:2]] == [len(grams) for grams in counts.orders[:2]]
    assert (counts.orders[2].count[model.keep[2]] > 1).all()
    assert int(model.keep[2].sum()) == int((counts.orders[2].count > 1).sum())


@pytest.mark.parametrize(
    ("sentences", "order", "prune", "fallback", "message"),
    [
        ([], 2, (), True, "no sentence"),
        ([["a", "b"]], 5, (), True, "at most 4"),
        ([["a"], ["b", "<s>"]], 2, (), True, "sentence 2 has the word <s>"),
        ([["<unk>"]], 2, (), True, "<unk>"),
        ([["a", "b"]], 2, (), False, "--discount_fallback true"),
        ([["a", "b"]], 2, (1, 0), True, "0 0 1"),
        ([["a", "b"]], 2, (0, 0, 1), True, "at most 2"),
    ],
)
def test_bad_input(sentences, order, prune, fallback, message):
    with pytest.raises(LotteryError, match=message) as caught:
        estimate(count_ngrams(sentences, order), prune, fallback)
    assert "\n" not in str(caught.value)


def test_last_threshold_holds_for_higher_orders():
    assert prune_thresholds((0, 1), 4) == [0, 1, 1, 1]
    assert prune_thresholds((), 3) == [0, 0, 0]


def test_unknown_and_start(tmp_path):
    model = model_of(sentences_of(REFERENCE / "syllables"), 3, folder=tmp_path)
    assert model.grams[0]["<s>"][0] == 0
    assert model.grams[0]["</s>"][1] == 0
    assert math.isfinite(model.grams[0]["<unk>"][0])
