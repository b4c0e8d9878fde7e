"""A ticket as a speech recogniser, without torch and without ESPnet."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audio_lottery.engine import (
    attention_encoder,
    backend,
    ctc,
    ds2_encoder,
    ebranchformer_encoder,
    recurrent_encoder,
    transducer_encoder,
    transducer_search,
)
from audio_lottery.engine.config import integer, refuse, section
from audio_lottery.engine.frontend import LogMel, normaliser
from audio_lottery.engine.prefix_beam import Fusion, PrefixBeam
from audio_lottery.engine.stream import Stream
from audio_lottery.engine.transducer import Transducer
from audio_lottery.engine.weights import Weights
from audio_lottery.errors import LotteryError
from audio_lottery.export import ticket_file
from audio_lottery.export.ticket_file import TicketFile

ENCODERS = {
    "conformer": attention_encoder,
    "transformer": attention_encoder,
    "branchformer": ebranchformer_encoder,
    "e_branchformer": ebranchformer_encoder,
    "rnn": recurrent_encoder,
    "vgg_rnn": recurrent_encoder,
    "ds2": ds2_encoder,
    "transducer": transducer_encoder,  # all of the asr_transducer task
}


class Word(NamedTuple):
    """A word, its time in seconds, and the least log probability of its tokens."""

    text: str
    start: float
    end: float
    score: float


class Decoding(NamedTuple):
    """How tokens are searched for: beam 1 takes the best ones greedily.

    search: of a transducer: ESPnet's ``tsd`` or ``default``; fusion: an n-gram model
    """

    beam: int = 1
    search: str = "tsd"
    fusion: Fusion | None = None


GREEDY = Decoding()


class Recogniser:
    """Encoder and CTC head, or transducer, of a ticket.

    int8: compute with 8-bit weights and activations; threads: how many cores one utterance uses;
    kind: how the weights are packed, ``auto`` unless layers are compared (see native.Matrix)
    left: for :meth:`stream`: how many encoder frames before a chunk attention sees
    """

    def __init__(self, ticket: TicketFile, int8: bool = False, threads: int = 1, kind: str = "auto",
                 left: int | None = None):
        self.weights = Weights(ticket, int8, kind)
        self.tokens = ticket.tokens
        self.token_type = ticket.config.get("token_type", "bpe")
        self.left = left
        self.program = backend.new_program(threads, left)
        self._front_program = backend.new_program(threads) if left is not None else self.program
        with _fitting():
            self._build(ticket.config)

    def _build(self, config: dict) -> None:
        for module in ("preencoder", "postencoder"):
            refuse(config.get(module) is not None, f"{module}: {config.get(module)}")
        self.normalise = normaliser(config, self.weights)
        self.frontend = None
        if config.get("input_size") is None:
            refuse(config.get("frontend", "default") != "default", f"frontend: {config.get('frontend')}")
            self.frontend = LogMel(section(config, "frontend_conf"), self.weights)
            features = self.frontend.size
        else:
            features = integer(config, "input_size", 80)
        if self.normalise(np.zeros((1, features), np.float32)).shape != (1, features):
            raise ValueError("the feature statistics have another size than the features")
        conf = section(config, "encoder_conf")
        kind = "transducer" if "body_conf" in conf else config.get("encoder", "rnn")
        refuse(type(kind) is not str or kind not in ENCODERS, f"encoder: {kind}")
        self.layout = ENCODERS[kind].Layout.read(kind, conf)
        self._encoder(ENCODERS[kind].EncoderBuilder, config, features)
        self.transducer = Transducer(self.weights, config) if kind == "transducer" else None
        self._head(config)

    def _encoder(self, builder: type, config: dict, features: int) -> None:
        self._source = self._front_program.buffer(features)
        if self.left is None:
            self._encoded = builder(self.program, self.weights, self.layout).build(self._source, features)
            return
        refuse_streaming(self.layout, config)
        self._middle = builder(self._front_program, self.weights, self.layout).front(self._source)
        self._middle_in = self.program.buffer(self._front_program.channels(self._middle))
        self._encoded = builder(self.program, self.weights, self.layout).body(self._middle_in)

    def _head(self, config: dict) -> None:
        if self.transducer:
            head, tokens = self.weights.matrix("joint_network.lin_enc"), self.transducer.tokens
            if head.rows != self.transducer.space:
                raise ValueError("the encoder does not fit the joint network")
        else:
            refuse(config.get("decoder") == "transducer", "decoder: transducer (of the asr task)")
            refuse("ctc.ctc_lo.weight" not in self.weights, "a model without a CTC head")
            head = self.weights.matrix("ctc.ctc_lo")
            tokens = head.rows
        if tokens != len(self.tokens):
            raise ValueError(f"{len(self.tokens)} tokens, but the network has {tokens}")
        self._outputs = self.program.buffer(head.rows)
        self.program.linear(self._encoded, self._outputs, head)

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

    def check_length(self, features: np.ndarray) -> None:
        """LotteryError: fewer frames than the network needs."""
        if len(features) < self.layout.shortest:
            raise LotteryError(
                f"{len(features)} frames: the model needs {self.layout.shortest}: leave so short a file out"
            )

    def run(self, *utterances: np.ndarray) -> None:
        """Run the network over the features [frames, size] of whole utterances."""
        if self.left is not None:
            raise ValueError("a recogniser that streams")
        for features in utterances:
            self.check_length(features)
        with _fitting():
            self.program.run(self._source, *(self.normalise(features).T for features in utterances))

    def encode(self, features: np.ndarray) -> np.ndarray:
        """Encoder output [frames, channels]."""
        self.run(features)
        return self.program.read(self._encoded).T

    def outputs(self, features: np.ndarray) -> np.ndarray:
        """What :meth:`decoder` takes: CTC log probabilities [tokens, frames], or the encoder's part of the joint
        network's input."""
        self.run(features)
        return self._read_outputs()

    def _read_outputs(self, utterance: int = 0) -> np.ndarray:
        outputs = self.program.read(self._outputs, utterance)
        return outputs if self.transducer else ctc.log_softmax(outputs)

    def decoder(self, decoding: Decoding = GREEDY):
        """A search over :meth:`outputs`: ``advance(outputs)`` takes them, ``tokens()`` tells what was found."""
        beam, search, fusion = decoding
        if not self.transducer:
            return ctc.Greedy() if beam == 1 and fusion is None else PrefixBeam(beam, fusion)
        if beam == 1 and fusion is None:
            return transducer_search.Greedy(self.transducer)
        return transducer_search.SEARCHES[search](self.transducer, beam, fusion)

    def transcribe_features(self, features: np.ndarray, decoding: Decoding = GREEDY) -> list[ctc.Token]:
        """Tokens of features [frames, size]."""
        if self.left is not None:
            return self.stream(decoding).accept_features(features, last=True)
        return self.transcribe_batch([features], decoding)[0]

    def transcribe_batch(self, batch: Sequence[np.ndarray], decoding: Decoding = GREEDY) -> list[list[ctc.Token]]:
        """Tokens of each of several utterances' features [frames, size]: the same as one by one, but faster."""
        self.run(*batch)
        found = []
        for utterance in range(len(batch)):
            decoder = self.decoder(decoding)
            decoder.advance(self._read_outputs(utterance))
            found.append(decoder.tokens())
        return found

    def transcribe(self, samples: np.ndarray, rate: int, decoding: Decoding = GREEDY) -> list[ctc.Token]:
        """Tokens of samples in [-1, 1]."""
        return self.transcribe_features(self.features(samples, rate), decoding)

    def stream(self, decoding: Decoding = GREEDY) -> Stream:
        """Recognise while the audio comes. Only for a recogniser built with ``left``, one stream at a time."""
        if self.left is None:
            raise ValueError("a recogniser that does not stream")
        return Stream(self, self.decoder(decoding))

    def reset(self) -> None:
        """A new stream begins."""
        self.program.reset()

    def run_front(self, features: np.ndarray) -> np.ndarray:
        """The convolutions over normalised features [frames, size] -> [channels, frames]."""
        with _fitting():
            self._front_program.run(self._source, features.T)
        return self._front_program.read(self._middle)

    def run_body(self, frames: np.ndarray) -> np.ndarray:
        """The rest over [channels, frames], going on where it stopped; see :meth:`outputs`."""
        with _fitting():
            self.program.run(self._middle_in, frames)
        return self._read_outputs()

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


def refuse_streaming(layout, config: dict) -> None:
    """Refuse a model that needs the whole utterance, by name of what needs it."""
    why = None
    if not layout.streams:
        why = "its encoder reads the whole utterance (stream LSTMs of one direction, or transducers trained with " \
              "dynamic_chunk_training)"
    elif config.get("normalize") == "utterance_mvn":
        why = "normalize: utterance_mvn needs the whole utterance (train with global_mvn)"
    if why:
        raise LotteryError(f"this model cannot stream, {why}: leave out --stream")
