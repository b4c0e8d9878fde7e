"""Audio in pieces gives what the whole utterance gives, for every model that can work so; others say why not."""

import numpy as np
import pytest
import torch

from audio_lottery.engine.frontend import LogMelStream
from audio_lottery.engine.recogniser import Decoding, Recogniser
from audio_lottery.engine.stream import Front, window
from audio_lottery.errors import LotteryError

LSTM = {"block_type": "rnn", "bidirectional": False, "num_layers": 2, "hidden_size": 20}
GRU_TRANSDUCER = ({"input_conf": {"vgg_like": True, "conv_size": 6}, "body_conf": [{**LSTM, "rnn_type": "gru"}]}, "rnn",
                  {"embed_size": 16, "hidden_size": 24})  # fmt: skip
LSTM_TRANSDUCER = ({"input_conf": {"vgg_like": False, "conv_size": 8, "subsampling_factor": 6}, "body_conf": [LSTM]},
                   "rnn", {"embed_size": 16, "hidden_size": 24})  # fmt: skip
BLOCK = {"num_blocks": 2, "hidden_size": 32, "linear_size": 64, "heads": 4, "conv_mod_kernel_size": 15}
ONE_WAY = {"bidirectional": False, "num_layers": 2}
MODELS = {
    "vgg": ("vgg_rnn", {**ONE_WAY, "hidden_size": 20, "output_size": 16}),
    "frames left out": ("rnn", {**ONE_WAY, "hidden_size": 20, "output_size": 16, "rnn_type": "gru",
                                "subsample": [2, 3]}),
    "Deep Speech 2": ("ds2", {**ONE_WAY, "hidden_size": 20, "channels": 5}),
}  # fmt: skip


def pieces(samples, seed=0):
    """Cut at random places: a microphone's."""
    places = np.sort(np.random.default_rng(seed).integers(0, len(samples), 12))
    return np.split(samples, places)


def outputs_of(recogniser, parts):
    """All that a stream's decoder is given, and the tokens at the end."""
    stream, got = recogniser.stream(), []
    advance = stream._decoder.advance
    stream._decoder.advance = lambda x: (got.append(x), advance(x))
    for part in parts:
        stream.accept(part, 16000)
    return stream.accept(parts[0][:0], 16000, last=True), np.hstack(got)


@pytest.mark.parametrize("name", [*MODELS, "transducer", "transducer, VGG"])
def test_pieces_are_the_whole(backend, name, transducer, make, sound):
    if name in MODELS:
        _, ticket = make(*MODELS[name], normalize=None)
    else:
        _, ticket = transducer(*(GRU_TRANSDUCER if "VGG" in name else LSTM_TRANSDUCER))
    whole, streaming = Recogniser(ticket), Recogniser(ticket, left=0)
    for seconds in (0.21, 3.3):
        samples = sound(seconds)
        want = whole.outputs(whole.features(samples, 16000))
        for seed in range(2):
            tokens, got = outputs_of(streaming, pieces(samples, seed))
            assert got.shape == want.shape and np.abs(got - want).max() < 1e-4
            assert [token[:3] for token in tokens] == [token[:3] for token in whole.transcribe(samples, 16000)]
        assert [token.id for token in streaming.transcribe(samples, 16000)] == [token.id for token in tokens]


def causal(block="conformer"):
    """A transducer trained with dynamic chunks."""
    return ({"main_conf": {"dynamic_chunk_training": True}, "body_conf": [{**BLOCK, "block_type": block}]}, "stateless",
            {"embed_size": 16})  # fmt: skip


@pytest.mark.parametrize("left, block", [(0, "conformer"), (5, "conformer"), (32, "conformer"), (5, "branchformer"),
                                         (5, "ebranchformer")])
def test_attention_trained_with_dynamic_chunks_as_espnet_streams_it(backend, left, block, transducer, sound):
    model, ticket = transducer(*causal(block))
    recogniser = Recogniser(ticket, left=left)
    features = recogniser.features(sound(2.7), 16000)
    with torch.no_grad():
        x, mask = model.encoder.embed(torch.from_numpy(features)[None], torch.zeros(1, len(features), dtype=torch.bool))
        model.encoder.reset_cache(left, "cpu")
        want, done = [], 0
        for chunk in x.split(16, 1):
            positions = model.encoder.pos_enc(chunk, left_context=left)
            unseen = torch.arange(left).flip(0)[None] >= done
            mask = torch.cat([unseen, torch.zeros(1, chunk.shape[1], dtype=torch.bool)], 1)
            out = model.encoder.encoders.chunk_forward(chunk, positions, mask, left_context=left)
            want.append(model.joint_network.lin_enc(out)[0])
            done += chunk.shape[1]
    stream, got = recogniser.stream(), []
    stream._decoder.advance = got.append
    for first in range(0, len(features), 37):
        stream.accept_features(features[first : first + 37])
    stream.accept_features(features[:0], last=True)
    error = np.abs(np.hstack(got).T - torch.cat(want).numpy())
    assert error.max() < 1e-4


def test_features_in_pieces(engine, transducer, sound):
    logmel = Recogniser(transducer(*GRU_TRANSDUCER)[1]).frontend
    for count, seed in ((258, 0), (1000, 1), (16000, 2)):
        samples = sound(1.0)[:count]
        stream = LogMelStream(logmel)
        got = [stream.accept(part) for part in pieces(samples, seed)] + [stream.accept(samples[:0], last=True)]
        want = logmel(samples)
        assert np.concatenate(got).shape == want.shape and np.abs(np.concatenate(got) - want).max() < 1e-5
    with pytest.raises(LotteryError, match="leave"):
        LogMelStream(logmel).accept(np.zeros(100, np.float32), last=True)


def test_what_an_output_frame_sees():
    assert window([(3, 2, 0), (3, 2, 0)]) == (4, 0, 6)
    assert window([(3, 1, 1), (3, 1, 1), (2, 2, 0)] * 2) == (4, -6, 9)
    calls = []
    front = Front(lambda x: calls.append(len(x)) or x.T[:, 1:-1], [(3, 1, 0)], 3)
    assert front.accept(np.ones((2, 1), np.float32), False) is None and not calls
    assert front.accept(np.ones((5, 1), np.float32), False).shape == (1, 5)
    assert front.accept(np.ones((1, 1), np.float32), True).shape == (1, 1) and calls == [7, 3]


def test_another_rate(engine, transducer, sound):
    recogniser = Recogniser(transducer(*GRU_TRANSDUCER)[1], left=0)
    stream = recogniser.stream()
    samples = sound(1.0)
    for first in range(0, 8000, 800):
        stream.accept(samples[first : first + 800], 8000)
    stream.accept(samples[:0], 8000, last=True)
    assert abs(stream._front._done - 25) <= 2  # 8,000 samples are a second


@pytest.mark.parametrize("ticket, words", [
    (("transformer", {"num_blocks": 1, "output_size": 16}, 0.2, None), "whole utterance.*--stream"),
    (("vgg_rnn", {"hidden_size": 8, "output_size": 8, "num_layers": 1}, 0.2, None), "whole utterance"),
    (("rnn", {**ONE_WAY, "hidden_size": 8, "output_size": 8}, 0.2, "utterance_mvn"), "utterance_mvn"),
])  # fmt: skip
def test_what_cannot_stream(engine, ticket, words, make):
    with pytest.raises(LotteryError, match=words):
        Recogniser(make(*ticket)[1], left=32)


def test_too_little_audio(engine, make):
    recogniser = Recogniser(make(*MODELS["vgg"], normalize=None)[1], left=0)
    with pytest.raises(LotteryError, match="leave"):
        recogniser.stream(Decoding(4)).accept(np.zeros(300, np.float32), 16000, last=True)
