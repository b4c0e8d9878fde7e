"""A ticket as a speech recogniser, without torch and without ESPnet."""

import contextlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audio_lottery.engine import attention_encoder, backend, ctc, recurrent_encoder
from audio_lottery.engine.config import integer, section
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
        self.weights = Weights(ticket, int8, kind)
        self.tokens = ticket.tokens
        self.token_type = ticket.config.get("token_type", "bpe")
        self.program = backend.new_program(threads)
        with _fitting():
            self._build(ticket.config)

    def _build(self, config: dict) -> None:
        for module in ("preencoder", "postencoder"):
            _refuse(config.get(module) is not None, f"{module}: {config.get(module)}")
        self.normalise = normaliser(config, self.weights)
        self.frontend = None
        if config.get("input_size") is None:
            _refuse(config.get("frontend", "default") != "default", f"frontend: {config.get('frontend')}")
            self.frontend = LogMel(section(config, "frontend_conf"), self.weights)
            features = self.frontend.size
        else:
            features = integer(config, "input_size", 80)
        if self.normalise(np.zeros((1, features), np.float32)).shape != (1, features):
            raise ValueError("the feature statistics have another size than the features")
        kind = config.get("encoder", "rnn")
        _refuse(type(kind) is not str or kind not in ENCODERS, f"encoder: {kind}")
        self.layout = ENCODERS[kind].Layout.read(kind, section(config, "encoder_conf"))
        _refuse("ctc.ctc_lo.weight" not in self.weights, "a model without a CTC head")
        self._source = self.program.buffer(features)
        builder = ENCODERS[kind].EncoderBuilder(self.program, self.weights, self.layout)
        self._encoded = builder.build(self._source, features)
        head = self.weights.matrix("ctc.ctc_lo")
        if head.rows != len(self.tokens):
            raise ValueError(f"{len(self.tokens)} tokens, but the CTC head has {head.rows}")
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
        with _fitting():
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


@contextlib.contextmanager
def _fitting():
    """What numpy and the engine say of shapes that do not fit, as a :class:`LotteryError`."""
    try:
        yield
    except (ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError) as error:
        reason = " ".join(str(error).split())[:200]
        raise LotteryError(f"configuration and tensors do not fit ({reason}): the ticket is damaged") from None


def _refuse(wrong: bool, what: str) -> None:
    if wrong:
        raise LotteryError(f"{what[:200]}: the engine cannot run it: export the model as ONNX instead")
