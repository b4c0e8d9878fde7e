"""Shallow fusion in the transducer search, against scores computed by hand from the networks and the ARPA file."""

import pytest
import torch

from audio_lottery.lm import arpa
from audio_lottery.lm.counts import count_ngrams
from audio_lottery.lm.kneser_ney import estimate
from audio_lottery.lm.query import Arpa

TOKENS = ["<blank>", "a", "b", "<sos/eos>"]
SEARCHES = {"default": {}, "tsd": {"max_sym_exp": 4}, "maes": {"nstep": 4, "expansion_gamma": 50, "expansion_beta": 1},
            "alsd": {"u_max": 3}}


@pytest.fixture(scope="module")
def lm(tmp_path_factory):
    pytest.importorskip("kenlm", reason="KenLM's Python module is not installed")
    path = tmp_path_factory.mktemp("lm") / "lm.arpa"
    sentences = [list("abab"), list("aab"), list("ba"), list("abb")]
    arpa.write(path, lambda: arpa.lines(estimate(count_ngrams(sentences, 3))), "<sos/eos>")
    return path


@pytest.fixture(scope="module")
def networks():
    """Random prediction and joint networks, and five frames of an encoder (5, 6)."""
    from espnet2.asr_transducer.decoder.rnn_decoder import RNNDecoder
    from espnet2.asr_transducer.joint_network import JointNetwork

    torch.manual_seed(0)
    decoder = RNNDecoder(len(TOKENS), embed_size=5, hidden_size=8).eval()
    joint = JointNetwork(len(TOKENS), 6, 8, joint_space_size=7).eval()
    torch.nn.init.normal_(joint.lin_out.weight, std=1.0)
    torch.nn.init.constant_(joint.lin_out.bias[3:], -50.0)  # as a trained network, it never says <sos/eos>
    return decoder, joint, torch.randn(5, 6)


def search(networks, frames: int, kind: str, scorer=None):
    from espnet2.asr_transducer.beam_search_transducer import BeamSearchTransducer

    from audio_lottery.espnet.transducer_ngram import with_ngram

    decoder, joint, encoded = networks
    options = {"beam_size": 3, "nbest": 3, "search_type": kind, **SEARCHES[kind]}
    plain = BeamSearchTransducer(decoder, joint, **options)
    with torch.no_grad():
        return (plain if scorer is None else with_ngram(plain, options, scorer))(encoded[:frames])


def by_hand(networks, lm: Arpa, labels: list[int], weight: float, penalty: float) -> float:
    """Labels, then the blank, at the only frame; the model's log10 probability of the sentence with its end."""
    decoder, joint, encoded = networks
    decoder.set_device(encoded.device)
    total = 0.0
    with torch.no_grad():
        for n, label in enumerate([*labels, 0]):
            decoder.score_cache = {}
            state, prefix = decoder.init_state(1), [0, *labels[:n]]
            for end in range(1, len(prefix) + 1):
                out, state = decoder.score(prefix[:end], state)
            total += float(torch.log_softmax(joint(encoded[:1], out), -1)[0, label])
    decoder.score_cache = {}
    return total + weight * sum(lm.sentence([TOKENS[label] for label in labels])) + penalty * len(labels)


@pytest.mark.parametrize("kind", ["default", "tsd", "maes"])
@pytest.mark.parametrize("weight, penalty", [(0.0, 0.0), (0.7, 0.0), (3.0, 1.5)])
def test_scores_are_those_computed_by_hand(networks, lm, kind, weight, penalty):
    from audio_lottery.espnet.transducer_ngram import NgramScorer

    found = search(networks, 1, kind, NgramScorer(lm, TOKENS, weight, penalty))
    model = Arpa.read(lm)
    assert any(len(hyp.yseq) > 1 for hyp in found)
    for hyp in found:
        assert 3 not in hyp.yseq
        assert float(hyp.score) == pytest.approx(by_hand(networks, model, hyp.yseq[1:], weight, penalty), abs=1e-4)
    scores = [float(hyp.score) for hyp in found]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_model_without_weight_changes_nothing_and_with_weight_it_does(networks, lm, kind):
    from audio_lottery.espnet.transducer_ngram import NgramScorer

    plain = search(networks, 5, kind)
    same = search(networks, 5, kind, NgramScorer(lm, TOKENS, 0.0, 0.0))
    assert [hyp.yseq for hyp in same] == [hyp.yseq for hyp in plain]
    assert [float(hyp.score) for hyp in same] == pytest.approx([float(hyp.score) for hyp in plain], abs=1e-5)
    scorer = NgramScorer(lm, TOKENS, 8.0, 0.0)
    best = max(search(networks, 5, kind, scorer), key=lambda hyp: hyp.score)
    strong = sum(Arpa.read(lm).sentence([TOKENS[label] for label in best.yseq[1:]]))
    weak = sum(Arpa.read(lm).sentence([TOKENS[label] for label in plain[0].yseq[1:]]))
    assert strong >= weak


def test_padding_between_start_and_labels_is_not_scored(lm):
    """As ESPnet's search pads shorter hypotheses of a batch."""
    from audio_lottery.espnet.transducer_ngram import NgramScorer

    scorer = NgramScorer(lm, TOKENS, 1.0, 0.0)
    batch, _ = scorer.batch_score(torch.tensor([[3, 0, 0], [3, 0, 1], [3, 1, 2]]), [None] * 3, None)
    model = Arpa.read(lm)
    for row, words in zip(batch, (["<s>"], ["<s>", "a"], ["<s>", "a", "b"]), strict=True):
        for label in (1, 2):
            assert float(row[label]) == pytest.approx(model.log10(TOKENS[label], words), abs=1e-5)
