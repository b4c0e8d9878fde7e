"""Multiply-accumulates of a speech recogniser for a given length of audio, dense and sparse, by part.

Works on any object with ESPnet's parts (``frontend``, ``normalize``, ``preencoder``, ``encoder``,
``ctc``, ``decoder`` or ``decoder`` + ``joint_network``) without importing ESPnet.
"""

import math
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from audio_lottery.errors import LotteryError
from audio_lottery.metrics.products import Products, TensorMacs, count_products


@dataclass(frozen=True)
class Share:
    """MACs of a part: all, and those that are not with a zero weight."""

    dense: int
    sparse: int


@dataclass(frozen=True)
class DecoderMacs:
    """MACs of a decoder, apart from the totals since they depend on the text.

    ``utterance``: once per utterance (cross-attention keys and values, a joint network's part per
    frame). ``token``: per token, weights only. ``attention``: per token, activations only, the mean of a
    teacher-forced pass of ``tokens`` tokens. A search with a beam of B makes B times the token parts.
    """

    tokens: int
    utterance: Share
    token: Share
    attention: int


@dataclass(frozen=True)
class AsrMacs:
    """MACs for ``seconds`` of audio, which the encoder turns into ``frames`` vectors."""

    seconds: float
    frames: int
    frontend: int
    encoder: Share
    attention: int
    output: Share
    decoder: DecoderMacs | None
    tensors: dict[str, TensorMacs]
    uncounted: tuple[str, ...]

    @property
    def dense(self) -> int:
        """Front end, encoder with attention, and output (CTC) layer; the decoder is apart."""
        return self.frontend + self.encoder.dense + self.attention + self.output.dense

    @property
    def sparse(self) -> int:
        """As ``dense``, without products with zero weights."""
        return self.frontend + self.encoder.sparse + self.attention + self.output.sparse

    def to_dict(self) -> dict:
        """Plain values, for JSON; without the table of tensors."""
        values = {"seconds": self.seconds, "dense": self.dense, "sparse": self.sparse, "frames": self.frames}
        values |= {"frontend": self.frontend, "attention": self.attention}
        for name in ("encoder", "output", "decoder"):
            part = getattr(self, name)
            values[name] = asdict(part) if part else None
        return values


def front_end_macs(frames: int, n_fft: int, win_length: int, mels: int) -> int:
    """MACs of log-mel features: window, FFT, power and mel filters, for each frame.

    A radix-2 complex FFT of N points has N/2 log2 N butterflies of one complex (4 real)
    multiplication; of real input, half of that: N log2 N. The power takes 2 a bin, and the mel matrix is
    multiplied whole, as ESPnet does: (N/2 + 1) x mels.
    """
    bins = n_fft // 2 + 1
    return frames * (win_length + round(n_fft * math.log2(n_fft)) + 2 * bins + bins * mels)


def count_asr(
    model: nn.Module, seconds: float, fs: int, *, tokens: int = 10, feature_size: int | None = None,
    frames_per_second: float = 100.0,
) -> AsrMacs:
    """Count the MACs of a recogniser for ``seconds`` of audio at ``fs`` Hz, from its weights as they are.

    A model without front end takes features: give their ``feature_size`` (and frames per second). The
    decoder is counted for ``tokens`` tokens. One forward pass of the encoder, two short ones of the
    decoder; the model's mode, weights and gradients stay as they were.
    """
    with _evaluating(model), torch.no_grad():
        features, lengths, frontend = _features(model, seconds, fs, feature_size, frames_per_second)
        encoder, (encoded, encoded_lengths) = count_products(model, lambda: _encode(model, features, lengths))
        output = _output(model, encoded)
        decoder, decoder_run = _decoder(model, encoded, encoded_lengths, tokens)
    parts = [encoder, *(part for part in (output, decoder_run) if part)]
    return AsrMacs(
        seconds=seconds,
        frames=encoded.shape[1],
        frontend=frontend,
        encoder=Share(encoder.weights_dense, encoder.weights_sparse),
        attention=encoder.activations,
        output=Share(output.dense, output.sparse) if output else Share(0, 0),
        decoder=decoder,
        tensors={name: tensor for part in parts for name, tensor in part.tensors.items()},
        uncounted=tuple(dict.fromkeys(name for part in parts for name in part.uncounted)),
    )


@contextmanager
def _evaluating(model: nn.Module):
    """Dropout and augmentation off; each module's own mode back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


def _features(
    model: nn.Module, seconds: float, fs: int, feature_size: int | None, frames_per_second: float
) -> tuple[Tensor, Tensor, int]:
    """Features [1, frames, size] of silence, their lengths [1], and the front end's MACs."""
    device = next(model.parameters()).device
    frontend = getattr(model, "frontend", None)
    if frontend is None:
        if feature_size is None:
            raise LotteryError("MACs: the model has no front end: give the size of its features")
        frames = round(seconds * frames_per_second)
        features = torch.zeros(1, frames, feature_size, device=device)
        return features, torch.tensor([frames], device=device), 0
    samples = round(seconds * fs)
    speech, lengths = torch.zeros(1, samples, device=device), torch.tensor([samples], device=device)
    products, (features, lengths) = count_products(model, lambda: frontend(speech, lengths))
    stft, logmel = getattr(frontend, "stft", None), getattr(frontend, "logmel", None)
    if stft is not None and logmel is not None:
        mels = logmel.melmat.shape[1]
        return features, lengths, front_end_macs(features.shape[1], stft.n_fft, stft.win_length, mels)
    return features, lengths, products.dense


def _encode(model: nn.Module, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Encoder output [1, frames, size] and its lengths [1]."""
    for name in ("normalize", "preencoder"):
        if getattr(model, name, None) is not None:
            features, lengths = getattr(model, name)(features, lengths)
    encoded, lengths, *_ = model.encoder(features, lengths)
    # an encoder with intermediate CTC gives (output, intermediate outputs)
    return (encoded[0] if isinstance(encoded, tuple) else encoded), lengths


def _output(model: nn.Module, encoded: Tensor) -> Products | None:
    layer = getattr(getattr(model, "ctc", None), "ctc_lo", None)
    return count_products(model, lambda: layer(encoded))[0] if layer is not None else None


def _decoder(
    model: nn.Module, encoded: Tensor, lengths: Tensor, tokens: int
) -> tuple[DecoderMacs | None, Products | None]:
    """Parts per utterance and per token, told apart by passes of one and two times ``tokens``."""
    if getattr(model, "decoder", None) is None:
        return None, None
    step = _transduce if getattr(model, "joint_network", None) is not None else _attend
    once, twice = (count_products(model, step(model, encoded, lengths, n))[0] for n in (tokens, 2 * tokens))
    per_token = Share(
        (twice.weights_dense - once.weights_dense) // tokens,
        (twice.weights_sparse - once.weights_sparse) // tokens,
    )
    per_utterance = Share(
        once.weights_dense - tokens * per_token.dense, once.weights_sparse - tokens * per_token.sparse
    )
    return DecoderMacs(tokens, per_utterance, per_token, round(once.activations / tokens)), once


def _attend(model: nn.Module, encoded: Tensor, lengths: Tensor, tokens: int) -> Callable[[], object]:
    labels = torch.ones(1, tokens, dtype=torch.long, device=encoded.device)
    return lambda: model.decoder(encoded, lengths, labels, torch.tensor([tokens], device=encoded.device))


def _transduce(model: nn.Module, encoded: Tensor, _lengths: Tensor, tokens: int) -> Callable[[], object]:
    """A greedy transducer search: prediction per token, joint output per frame and per token."""
    labels = torch.ones(1, tokens, dtype=torch.long, device=encoded.device)
    joint = model.joint_network

    def run() -> None:
        frames, predicted = joint.lin_enc(encoded), joint.lin_dec(model.decoder(labels))
        joint.lin_out(torch.cat([frames, predicted], dim=1))

    return run
