"""Prediction and joint network of an RNN transducer (ESPnet's ``asr_transducer`` task)."""

from typing import NamedTuple

import numpy as np

from audio_lottery.engine.config import check_options, integer, refuse, section
from audio_lottery.engine.ctc import log_softmax
from audio_lottery.engine.recurrent_encoder import recurrent_type
from audio_lottery.engine.reference import ACTIVATIONS, gru_step, lstm_step
from audio_lottery.engine.weights import Weights

State = tuple[tuple[np.ndarray, np.ndarray], ...]  # for each layer its output and, of an LSTM, its cell


class Prediction(NamedTuple):
    """What the prediction network makes of a token: its part of the joint network's input, and its next state."""

    joint: np.ndarray
    state: State


class Transducer:
    """One token or one frame at a time; the encoder's part of the joint network is ``joint_network.lin_enc``."""

    def __init__(self, weights: Weights, config: dict):
        kind, conf = config.get("decoder", "rnn"), section(config, "decoder_conf")
        refuse(kind not in ("rnn", "stateless"), f"decoder: {kind}")
        joint = section(config, "joint_network_conf")
        check_options("joint network", joint, {"joint_activation_type": ("tanh", "relu")})
        self._activation = ACTIVATIONS[joint.get("joint_activation_type", "tanh")]
        self.embedding = weights.array("decoder.embed.weight")  # [tokens, size]
        layers = integer(conf, "num_layers", 1) if kind == "rnn" else 0
        gru = layers > 0 and recurrent_type(conf) == "gru"
        self._step = gru_step if gru else lstm_step
        self._layers = [weights.single(f"decoder.rnn.{i}", "l0", gru) for i in range(layers)]
        self._decoder = weights.vector("joint_network.lin_dec")
        self._out = weights.vector("joint_network.lin_out")
        tokens, size = self.embedding.shape
        for given, state in self._layers:
            if given.cols != size or given.rows != state.rows or given.rows != (3 if gru else 4) * state.cols:
                raise ValueError("a layer of the prediction network does not fit the one before it")
            size = state.cols
        if self._decoder.cols != size or self._out.cols != self._decoder.rows:
            raise ValueError("the prediction network does not fit the joint network")
        if tokens != self._out.rows:
            raise ValueError("the prediction network knows another number of tokens than the joint network")

    @property
    def tokens(self) -> int:
        """Number of tokens, blank (0) included."""
        return self._out.rows

    @property
    def space(self) -> int:
        """Size of the joint network's input."""
        return self._decoder.rows

    def start(self) -> State:
        """The state before anything was recognised."""
        zeros = (np.zeros(state.cols, np.float32) for _, state in self._layers)
        return tuple((zero, zero) for zero in zeros)

    def predict(self, token: int, state: State) -> Prediction:
        """Go on by ``token`` from ``state``; the first token is blank."""
        x, states = self.embedding[token], []
        for (given, back), (hidden, cell) in zip(self._layers, state, strict=True):
            x, cell = self._step(given.vector(x), back.vector(hidden), hidden, cell)
            states.append((x, cell))
        return Prediction(self._decoder.vector(x), tuple(states))

    def log_probs(self, frame: np.ndarray, prediction: Prediction) -> np.ndarray:
        """[tokens], for a frame of the encoder's part [space]."""
        return log_softmax(self._out.vector(self._activation(frame + prediction.joint)))
