"""CTC prefix beam search against a plain one without pruning, against all paths, and against KenLM's scores."""

import itertools
import math

import numpy as np
import pytest

from audio_lottery.engine import ctc, language_model
from audio_lottery.engine.prefix_beam import Fusion, PrefixBeam
from audio_lottery.errors import LotteryError
from audio_lottery.lm import arpa, counts, kneser_ney

TOKENS = ["<blank>", "<unk>", "a", "b", "c", "d", "<sos/eos>"]
SENTENCES = [list(text) for text in ("abcd", "abca", "bcda", "dcba", "aabb", "abab", "cab", "dad", "abcdabcd")]


def posteriors(rng: np.random.Generator, frames: int, tokens: int = len(TOKENS), peak: float = 3.0) -> np.ndarray:
    """Log probabilities [tokens, frames], some frames sure of themselves, some not."""
    logits = rng.normal(size=(tokens, frames)) * peak * rng.random(frames)
    logits[0] += 1.0
    return ctc.log_softmax(logits)


@pytest.fixture(scope="module")
def lm_file(tmp_path_factory):
    """A trigram model of characters."""
    path = tmp_path_factory.mktemp("lm") / "3gram.arpa"
    model = kneser_ney.estimate(counts.count_ngrams(SENTENCES, 3))
    arpa.write(path, lambda: arpa.lines(model))
    return path


def found(log_probs, beam, fusion=None) -> list[int]:
    search = PrefixBeam(beam, fusion)
    search.advance(log_probs)
    return [token.id for token in search.tokens()]


def plain(log_probs: np.ndarray, beam: int, fusion: Fusion) -> tuple[int, ...]:
    """Prefix beam search as the paper writes it: a dictionary, every token of every frame."""
    probs, state = {(): (0.0, -math.inf)}, {}
    model, weight, penalty = fusion

    def bonus(prefix):
        if prefix not in state:
            total, at = 0.0, model.start() if model else None
            if prefix:
                total, at = bonus(prefix[:-1]) + penalty, state[prefix[:-1]][1]
                if model:
                    score, at = model.score(at, prefix[-1])
                    total += weight * score
            state[prefix] = total, at
        return state[prefix][0]

    for column in log_probs.T:
        after = {}
        for prefix, (blank, last) in probs.items():
            both = np.logaddexp(blank, last)
            b, n = after.get(prefix, (-math.inf, -math.inf))
            n = np.logaddexp(n, last + column[prefix[-1]]) if prefix else n
            after[prefix] = np.logaddexp(b, both + column[0]), n
            for token in range(1, len(column)):
                before = blank if prefix and token == prefix[-1] else both
                b, n = after.get((*prefix, token), (-math.inf, -math.inf))
                after[*prefix, token] = b, np.logaddexp(n, before + column[token])
        ranked = sorted(after, key=lambda prefix: np.logaddexp(*after[prefix]) + bonus(prefix), reverse=True)
        probs = {prefix: after[prefix] for prefix in ranked[:beam]}

    def final(prefix):
        end = weight * model.end((bonus(prefix), state[prefix][1])[1]) if model else 0.0
        return np.logaddexp(*probs[prefix]) + bonus(prefix) + end

    return max(probs, key=final)


@pytest.mark.parametrize("seed", range(12))
def test_as_a_plain_search(lm_file, seed):
    rng = np.random.default_rng(seed)
    model = language_model.ArpaModel(lm_file, TOKENS)
    log_probs = posteriors(rng, 40)
    for beam in (1, 3, 10):
        for fusion in (Fusion(), Fusion(None, 0.0, 0.7), Fusion(model, 1.3, 0.4)):
            assert tuple(found(log_probs, beam, fusion)) == plain(log_probs, beam, fusion)


def test_the_most_probable_text_of_all_paths():
    rng = np.random.default_rng(3)
    log_probs = posteriors(rng, 6, 4, 1.0)
    texts: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(4), repeat=6):
        text = tuple(token for token, _ in itertools.groupby(path) if token)
        score = sum(log_probs[token, frame] for frame, token in enumerate(path))
        texts[text] = np.logaddexp(texts.get(text, -math.inf), score)
    assert tuple(found(log_probs, 1000)) == max(texts, key=texts.get)


def test_frames_in_pieces_and_times():
    log_probs = posteriors(np.random.default_rng(5), 50)
    whole, pieces = PrefixBeam(5), PrefixBeam(5)
    whole.advance(log_probs)
    for first in range(0, 50, 7):
        pieces.advance(log_probs[:, first : first + 7])
    assert whole.tokens() == pieces.tokens()
    frames = [token.first for token in whole.tokens()]
    assert frames == sorted(frames) and len(set(frames)) == len(frames) > 3


def test_a_sure_network_is_read_greedily():
    log_probs = ctc.log_softmax(np.random.default_rng(6).normal(size=(len(TOKENS), 80)) * 300)
    greedy = ctc.Greedy()
    greedy.advance(log_probs)
    assert found(log_probs, 4) == [token.id for token in greedy.tokens()]


def test_a_language_model_decides_where_the_audio_does_not(lm_file):
    log_probs = np.full((len(TOKENS), 8), -20.0)
    log_probs[0, 1::2] = 0
    for frame, likely in ((0, "a"), (2, "b"), (4, "cd"), (6, "d")):
        for token in likely:
            log_probs[TOKENS.index(token), frame] = -0.7
    log_probs[TOKENS.index("d"), 4] += 0.1
    model = language_model.read(lm_file, TOKENS)
    assert "".join(TOKENS[i] for i in found(log_probs, 8)) == "abdd"
    assert "".join(TOKENS[i] for i in found(log_probs, 8, Fusion(model, 2.0, 0.0))) == "abcd"


def test_kenlm_and_our_reader_agree(lm_file):
    pytest.importorskip("kenlm")
    ours, kenlms = (kind(lm_file, TOKENS) for kind in (language_model.ArpaModel, language_model.KenLMModel))
    a, b = ours.start(), kenlms.start()
    for token in np.random.default_rng(0).integers(1, 6, 200).tolist():
        x, a = ours.score(a, token)
        y, b = kenlms.score(b, token)
        assert x == pytest.approx(y, abs=1e-5) and ours.end(a) == pytest.approx(kenlms.end(b), abs=1e-5)


def test_files_that_are_no_models(tmp_path, lm_file):
    with pytest.raises(LotteryError, match="ARPA"):
        language_model.read(tmp_path / "none.arpa", TOKENS)
    (tmp_path / "bad.arpa").write_text("\\data\\\nngram 1=x\n")
    with pytest.raises(LotteryError, match="bad.arpa:2"):
        language_model.read(tmp_path / "bad.arpa", TOKENS)
    with pytest.raises(LotteryError, match="not the tokens"):
        language_model.read(lm_file, ["<blank>", "<unk>", "one", "two", "<sos/eos>"])
