"""A ticket as a speech recogniser, without torch and without ESPnet."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from audio_lottery.engine import attention_encoder, backend, ctc, recurrent_encoder
from audio_lottery.engine.frontend import LogMel, normaliser
from audio_lottery.engine.weights import Weights
from audio_lottery.errors import LotteryError
from audio_lottery.export import ticket_file
from audio_lottery.export.ticket_file import TicketFile


ENCODERS = {
    "conformer": attention_encoder,
    "transformer": attention_encoder,
    "rnn": recurrent_encoder,
    "vgg_rnn": recurrent_encoder,
}


class Word(NamedTuple):
    """A word, its time in seconds, and the least log probability of its tokens."""

    text: str
    start: float
    end: float
    score: float


class Recogniser:
    """Encoder and CTC head of a ticket.

    int8: compute with 8-bit weights and activations; threads: how many cores one utterance uses;
    kind: how the weights are packed, ``auto`` unless layers are compared (see native.Matrix)
    """

    def __init__(self, ticket: TicketFile, int8: bool = False, threads: int = 1, kind: str = "auto"):
        config = ticket.config
        for module in ("preencoder", "postencoder"):
            if config.get(module) is not None:
                raise LotteryError(f"{module}: {config[module]}: the engine cannot run it: export the model as ONNX")
        self.weights = Weights(ticket, int8, kind)
        self.tokens = ticket.tokens
        self.token_type = config.get("token_type", "bpe")
        self.normalise = normaliser(config, self.weights)
        features = config.get("input_size")
        self.frontend = None
        if features is None:
            if config.get("frontend", "default") != "default":
                raise LotteryError(
                    f"frontend: {config['frontend']}: the engine cannot run it: export the model as ONNX"
                )
            self.frontend = LogMel(config.get("frontend_conf") or {}, self.weights)
            features = self.frontend.size
        kind = config.get("encoder", "rnn")
        if kind not in ENCODERS:
            raise LotteryError(f"encoder: {kind}: the engine cannot run it: export the model as ONNX instead")
        self.layout = ENCODERS[kind].Layout.read(kind, config.get("encoder_conf") or {})
        if "ctc.ctc_lo.weight" not in self.weights:
            raise LotteryError("ctc: this model has no CTC head, which the engine needs: export the model as ONNX")
        self.program = backend.new_program(threads)
        self._source = self.program.buffer(features)
        builder = ENCODERS[kind].EncoderBuilder(self.program, self.weights, self.layout)
        self._encoded = builder.build(self._source, features)
        head = self.weights.matrix("ctc.ctc_lo")
        if head.rows != len(self.tokens):
            raise LotteryError(f"tokens: {len(self.tokens)} of them, the CTC head has {head.rows}: a damaged ticket")
        self._logits = self.program.buffer(head.rows)
        self.program.linear(self._encoded, self._logits, head)

    @classmethod
    def load(cls, path: str | Path, **options) -> "Recogniser":
        """From a ticket file."""
        return cls(ticket_file.read(path), **options)

    @property
    def frame_seconds(self) -> float:
        """Time from one output frame to the next; 0 where the model takes features instead of audio."""
        return self.layout.subsampling * self.frontend.hop / self.frontend.rate if self.frontend else 0.0

    def features(self, samples: np.ndarray, rate: int) -> np.ndarray:
        """Samples in [-1, 1] -> features [frames, size], not yet normalised. Another rate is resampled."""
        if self.frontend is None:
            raise LotteryError("this model takes features, not audio: use transcribe_features")
        samples = np.asarray(samples, np.float32)
        if rate != self.frontend.rate:
            from audio_lottery.data.audio import resample

            samples = resample(samples, rate, self.frontend.rate)
        return self.frontend(samples)

    def run(self, features: np.ndarray) -> None:
        """Run encoder and CTC head over features [frames, size]."""
        if len(features) < self.layout.shortest:
            raise LotteryError(
                f"{len(features)} frames: the model needs {self.layout.shortest}: leave so short a file out"
            )
        self.program.run(self._source, self.normalise(features).T)

    def encode(self, features: np.ndarray) -> np.ndarray:
        """Encoder output [frames, channels]."""
        self.run(features)
        return self.program.read(self._encoded).T

    def log_probs(self, features: np.ndarray) -> np.ndarray:
        """CTC log probabilities [tokens, frames]."""
        self.run(features)
        return ctc.log_softmax(self.program.read(self._logits))

    def transcribe_features(self, features: np.ndarray) -> list[ctc.Token]:
        """Greedy CTC over features [frames, size]."""
        return ctc.greedy(self.log_probs(features))

    def transcribe(self, samples: np.ndarray, rate: int) -> list[ctc.Token]:
        """Greedy CTC over samples in [-1, 1]."""
        return self.transcribe_features(self.features(samples, rate))

    def words(self, tokens: list[ctc.Token]) -> list[Word]:
        """Tokens as words with times in seconds, joined as their type asks."""
        words: list[Word] = []
        ends = True  # the next piece begins a word
        for token in tokens:
            piece = self.tokens[token.id]
            if self.token_type == "char" and piece == "<space>":
                ends = True
                continue
            ends = ends or self.token_type == "word" or (self.token_type == "bpe" and piece.startswith("▁"))
            piece = piece.removeprefix("▁") if self.token_type == "bpe" else piece
            start, stop = token.first * self.frame_seconds, (token.last + 1) * self.frame_seconds
            if ends or not words:
                words.append(Word(piece, start, stop, token.score))
            else:
                last = words[-1]
                words[-1] = Word(last.text + piece, last.start, stop, min(last.score, token.score))
            ends = False
        return [word for word in words if word.text]

    def text(self, tokens: list[ctc.Token]) -> str:
        """Words with a space between them."""
        return " ".join(word.text for word in self.words(tokens))
