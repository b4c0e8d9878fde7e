"""Reading ARPA files, and the same scores as KenLM's."""

import random
from pathlib import Path

import pytest

from audio_lottery.errors import LotteryError
from audio_lottery.lm import arpa, perplexity
from audio_lottery.lm.counts import count_ngrams
from audio_lottery.lm.kneser_ney import estimate
from audio_lottery.lm.query import Arpa, unigrams

REFERENCE = Path(__file__).parent / "reference"
SMALL = """# a comment
\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-99\t<s>\t-0.3
-0.5\t</s>
-0.4\ta\t-0.2
-0.9\tb\t-0.1

\\2-grams:
-0.1\t<s> a
-0.2\ta b

\\end\\
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.arpa"
    path.write_text(SMALL)
    return path


def test_scores_by_hand(small):
    model = Arpa.read(small)
    assert model.sentence(["a", "b"]) == pytest.approx([-0.1, -0.2, -0.1 - 0.5])
    assert model.sentence(["b"]) == pytest.approx([-0.3 - 0.9, -0.1 - 0.5])
    assert model.sentence(["x"])[0] == pytest.approx(-100.3)  # no <unk>, as KenLM
    assert unigrams(small) == {"<s>": -99, "</s>": -0.5, "a": -0.4, "b": -0.9}


@pytest.mark.parametrize("name", ["order3.arpa", "order5_pruned.arpa", "syllables_order3.arpa", "ours"])
def test_scores_are_kenlms(tmp_path, name):
    pytest.importorskip("kenlm", reason="KenLM's Python module is not installed")
    path = REFERENCE / name
    text = REFERENCE / ("syllables" if name.startswith("syll") else "text")
    sentences = [line.split() for line in text.read_text().splitlines()]
    if name == "ours":
        path = tmp_path / "lm.arpa"
        arpa.write(path, lambda: arpa.lines(estimate(count_ngrams(sentences, 6), [0, 0, 0, 1])))
    words = sorted({word for sentence in sentences for word in sentence})
    rng = random.Random(5)
    unseen = [[rng.choice([*words, "neverseen"]) for _ in range(rng.randrange(9))] for _ in range(60)]
    ours, theirs = perplexity.with_arpa(path), perplexity.with_kenlm(path)
    for sentence in [*sentences, *unseen]:
        mine, wanted = list(ours(sentence)), list(theirs(sentence))
        assert [value for value, _ in mine] == pytest.approx([value for value, _ in wanted], abs=1e-5)
        assert [oov for _, oov in mine] == [oov for _, oov in wanted]


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("\\data\\", "data", 2),
        ("ngram 2=2", "ngram 3=2", 4),
        ("-0.9\tb\t-0.1", "-0.9\t\t", 10),
        ("-0.4\ta", "zero\ta", 9),
        ("-0.2\ta b\n", "", 15),
        ("\\end\\", "\\3-grams:", 16),
        ("\\2-grams:", "\\3-grams:", 12),
    ],
)
def test_damaged_file_names_the_line(small, old, new, line):
    small.write_text(SMALL.replace(old, new))
    with pytest.raises(LotteryError) as caught:
        Arpa.read(small)
    assert f"{small}:{line}:" in str(caught.value)


def test_end_alias_copies_every_sentence_end(tmp_path):
    lines = (REFERENCE / "order5_pruned.arpa").read_text().splitlines(keepends=True)
    path = tmp_path / "alias.arpa"
    arpa.write(path, lambda: lines, "<sos/eos>")
    before, after = Arpa.read(REFERENCE / "order5_pruned.arpa"), Arpa.read(path)
    for old, new in zip(before.grams, after.grams, strict=True):
        ends = {gram[:-4] + "<sos/eos>": value for gram, value in old.items() if gram.split(" ")[-1] == "</s>"}
        assert ends
        assert new == old | ends
