"""RNN transducers against ESPnet's own modules and searches, with random pruned weights."""

import numpy as np
import pytest
import torch

from audio_lottery.engine.recogniser import Decoding, Recogniser
from audio_lottery.errors import LotteryError

BLOCK = {"block_type": "conformer", "num_blocks": 2, "hidden_size": 32, "linear_size": 64, "heads": 4,
         "conv_mod_kernel_size": 15}  # fmt: skip
CONFORMER = {"main_conf": {"pos_wise_act_type": "swish", "conv_mod_act_type": "relu"},
             "input_conf": {"vgg_like": False, "subsampling_factor": 4}, "body_conf": [BLOCK]}  # fmt: skip
BRANCHES = {"hidden_size": 32, "linear_size": 48, "heads": 4, "conv_mod_kernel_size": 15, "norm_eps": 1e-3}
CAUSAL = {**CONFORMER, "main_conf": {"dynamic_chunk_training": True}}
LSTM = {"block_type": "rnn", "rnn_type": "lstm", "bidirectional": True, "num_layers": 2, "hidden_size": 20}
LSTM_DECODER = {"rnn_type": "lstm", "num_layers": 1, "embed_size": 16, "hidden_size": 24}
CASES = {
    "Conformer, LSTM": (CONFORMER, "rnn", LSTM_DECODER),
    "Conformer with causal convolution and VGG, no state": (
        {**CAUSAL, "input_conf": {"vgg_like": True, "conv_size": 8}}, "stateless", {"embed_size": 18}),
    "Branchformer, blocks of two sizes": (
        {"main_conf": {"after_norm_eps": 0.1},
         "body_conf": [{**BRANCHES, "block_type": "branchformer", "conv_mod_norm_eps": 0.01},
                       {**BRANCHES, "block_type": "branchformer", "conv_mod_norm_eps": 0.01, "linear_size": 20}]},
        "rnn", LSTM_DECODER),
    "E-Branchformer with causal convolution": (
        {**CAUSAL, "body_conf": [{**BRANCHES, "block_type": "ebranchformer", "num_blocks": 2,
                                  "depth_conv_kernel_size": 7}]}, "rnn", LSTM_DECODER),
    "BLSTM, two layers of GRU": (
        {"input_conf": {"vgg_like": False, "conv_size": 8, "subsampling_factor": 6}, "body_conf": [LSTM]},
        "rnn", {"rnn_type": "gru", "num_layers": 2, "embed_size": 16, "hidden_size": 24}),
    "GRU one way, LSTM": (
        {"input_conf": {"vgg_like": True, "conv_size": 6},
         "body_conf": [{**LSTM, "rnn_type": "gru", "bidirectional": False}]}, "rnn", LSTM_DECODER),
}  # fmt: skip


def espnets(model, search, beam, encoded):
    """Token ids that ESPnet's search finds."""
    from espnet2.asr_transducer.beam_search_transducer import BeamSearchTransducer

    found = BeamSearchTransducer(model.decoder, model.joint_network, beam, search_type=search)(encoded)
    return [token for token in found[0].yseq if token]


@pytest.mark.parametrize("case", CASES)
def test_encoder_and_searches(backend, case, transducer, sound):
    model, ticket = transducer(*CASES[case])
    recogniser = Recogniser(ticket)
    lengths = set()
    for seconds in (0.3, 1.7):
        samples = torch.from_numpy(sound(seconds))[None]
        with torch.no_grad():
            features, size = model._extract_feats(samples, torch.tensor([samples.shape[1]]))
            want, _ = model.encoder(features, size)
            texts = {(search, beam): espnets(model, search, beam, want[0])
                     for search, beam in (("tsd", 1), ("tsd", 4), ("default", 3))}  # fmt: skip
        ours = recogniser.encode(features[0].numpy())
        assert ours.shape == want[0].shape and np.abs(ours - want[0].numpy()).max() < 1e-4
        outputs = recogniser.outputs(features[0].numpy())
        for (search, beam), ids in texts.items():
            decoder = recogniser.decoder(Decoding(beam, search) if beam > 1 else Decoding(2, search))
            decoder._size = beam
            decoder.advance(outputs)
            assert [token.id for token in decoder.tokens()] == ids, (search, beam)
            lengths.add(len(ids))
    assert len(lengths) > 1  # not all silence


@pytest.mark.parametrize("search", ["tsd", "default"])
def test_searches_with_an_ngram_model(engine, transducer, sound, tmp_path, search):
    """As ESPnet's search with our scorer; a strong model changes the text."""
    pytest.importorskip("kenlm", reason="KenLM's Python module is not installed")
    from espnet2.asr_transducer.beam_search_transducer import BeamSearchTransducer

    from audio_lottery.engine import language_model
    from audio_lottery.engine.prefix_beam import Fusion
    from audio_lottery.espnet.transducer_ngram import NgramScorer, with_ngram
    from audio_lottery.lm import arpa
    from audio_lottery.lm.counts import count_ngrams
    from audio_lottery.lm.kneser_ney import estimate

    model, ticket = transducer(*CASES["Conformer, LSTM"])
    for name in ("lin_out", "lin_dec"):  # surer of itself, and of what it said before, it says more than nothing
        weight = getattr(model.joint_network, name).weight
        weight.data.mul_(8)
        ticket.tensors[f"joint_network.{name}.weight"].data[:] = weight.detach().numpy()
    path = tmp_path / "lm.arpa"
    sentences = [list("abcdefgh"), list("aabbcc"), list("hgfe"), list("abac")]
    arpa.write(path, lambda: arpa.lines(estimate(count_ngrams(sentences, 3))), "<sos/eos>")
    recogniser, texts = Recogniser(ticket), set()
    features = recogniser.features(sound(1.0), 16000)
    with torch.no_grad():
        encoded = model.encoder(torch.from_numpy(features)[None], torch.tensor([len(features)]))[0][0]
        for weight, penalty in ((0.0, 0.0), (0.3, 0.0), (2.0, 0.0), (0.3, -0.5)):  # above 0 `default` never ends
            options = {"beam_size": 3, "search_type": search}
            model.decoder.score_cache = {}
            plain = BeamSearchTransducer(model.decoder, model.joint_network, **options)
            scorer = NgramScorer(path, recogniser.tokens, weight, penalty)
            best = max(with_ngram(plain, options, scorer)(encoded), key=lambda hypothesis: hypothesis.score)
            fusion = Fusion(language_model.read(path, recogniser.tokens), weight, penalty)
            tokens = recogniser.transcribe_features(features, Decoding(3, search, fusion))
            assert [token.id for token in tokens] == [token for token in best.yseq if token], (weight, penalty)
            texts.add(tuple(token.id for token in tokens))
    assert search == "default" or len(texts) > 1, texts  # this model's blank wins in `default` whatever is added


def test_greedy_takes_the_best_token(engine, transducer, sound):
    model, ticket = transducer(*CASES["Conformer, LSTM"], blank=0.3)
    recogniser = Recogniser(ticket)
    features = recogniser.features(sound(1.0), 16000)
    decoder = recogniser.decoder()
    decoder.advance(recogniser.outputs(features))
    with torch.no_grad():
        encoded = model.encoder(torch.from_numpy(features)[None], torch.tensor([len(features)]))[0][0]
        ids, state = [0], model.decoder.init_state(1)
        out, state = model.decoder.score(ids, state)
        for frame in encoded:
            for _ in range(10):
                token = int(model.joint_network(frame[None], out).argmax())
                if token == 0:
                    break
                ids.append(token)
                out, state = model.decoder.score(ids, state)
    tokens = decoder.tokens()
    assert [token.id for token in tokens] == ids[1:] and len(ids) > 3
    assert all(0 <= token.first == token.last < len(encoded) and token.score < 0 for token in tokens)


@pytest.mark.parametrize("change, words", [
    ({"decoder": "rwkv"}, "decoder: rwkv"),
    ({"joint_network_conf": {"joint_activation_type": "mish"}}, "joint_activation_type: mish"),
    ({"encoder_conf": {**CONFORMER, "main_conf": {"norm_type": "rms_norm"}}}, "norm_type: rms_norm"),
    ({"encoder_conf": {**CONFORMER, "body_conf": [{**BLOCK, "block_type": "conv1d"}]}}, "conv1d"),
    ({"encoder_conf": {**CONFORMER, "body_conf": [BLOCK, {**BLOCK, "heads": 2}]}}, "more than one kind"),
    ({"encoder_conf": {"body_conf": [LSTM, LSTM]}}, "several stacks"),
    ({"encoder_conf": {"main_conf": {"conv_mod_norm_type": "scale_norm"},
                       "body_conf": [{**BRANCHES, "block_type": "branchformer"}]}}, "conv_mod_norm_type: scale_norm"),
    ({"encoder_conf": {**CONFORMER, "input_conf": {"vgg_like": True, "subsampling_factor": 6}}},
     "subsampling_factor: 6"),
])  # fmt: skip
def test_what_the_engine_cannot_run(engine, change, words, transducer):
    _, ticket = transducer(*CASES["Conformer, LSTM"])
    ticket.config.update(change)
    with pytest.raises(LotteryError, match=f"{words}.*ONNX"):
        Recogniser(ticket)
