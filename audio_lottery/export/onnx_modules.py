"""The parts of an ESPnet model as modules of one utterance without padding, the way ONNX graphs are made of them.

Masks are left out where ESPnet computes them from lengths: a trace would freeze the lengths it saw. Nothing here
imports ESPnet; its modules are told apart by what they hold.
"""

import functools
import inspect
import math

import torch
import torch.nn.functional as F


class Encoder(torch.nn.Module):
    """features [1, frames, size], not normalised -> encoder output [1, frames out, channels] and, where there is a CTC
    head, its log probabilities [1, frames out, tokens]."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.normalize, self.encoder = model.normalize, model.encoder
        self.ctc = getattr(model, "ctc", None)
        for module in self.encoder.modules():
            if hasattr(module, "rel_shift") and hasattr(module, "compute_att_score"):  # of the asr_transducer task
                module.rel_shift = shift
        compute_positions(self.encoder)

    def forward(self, x: torch.Tensor):
        """See the class."""
        lengths = x.new_ones(x.shape[:2], dtype=torch.long).sum(1)
        if self.normalize is not None:
            x, lengths = self.normalize(x, lengths)
        if is_recurrent(self.encoder):
            encoded = recurrent(self.encoder.enc, x)
        elif "masks" in inspect.signature(self.encoder.forward).parameters:
            encoded = self.encoder(x, lengths, masks=torch.zeros(x.shape[:2], dtype=torch.bool))[0]
        else:
            encoded = self.encoder(x, lengths)[0]
        encoded = encoded[0] if isinstance(encoded, tuple) else encoded  # intermediate CTC
        return encoded if self.ctc is None else (encoded, self.ctc.log_softmax(encoded))


def is_recurrent(encoder: torch.nn.Module) -> bool:
    """ESPnet's rnn and vgg_rnn, which pack their sequences."""
    return isinstance(getattr(encoder, "enc", None), torch.nn.ModuleList)


def recurrent(modules: torch.nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
    """What the parts of such an encoder do to one utterance [1, frames, size]."""
    for module in modules:
        if hasattr(module, "conv1_1"):
            x = x.unsqueeze(1)
            for first, second in ((module.conv1_1, module.conv1_2), (module.conv2_1, module.conv2_2)):
                x = F.max_pool2d(F.relu(second(F.relu(first(x)))), 2, stride=2, ceil_mode=True)
            x = x.transpose(1, 2).flatten(2)
        elif hasattr(module, "nbrnn"):
            x = torch.tanh(module.l_last(module.nbrnn(x)[0]))
        else:
            for layer in range(module.elayers):
                x, _ = getattr(module, f"{'bi' if module.bidir else ''}rnn{layer}")(x)
                step = int(module.subsample[layer + 1])
                if step > 1:
                    x = x[:, ::step][:, : (x.shape[1] + 1) // step]
                x = getattr(module, f"bt{layer}")(x)
                x = torch.tanh(x) if layer + 1 < module.elayers else x
    return x


def shift(x: torch.Tensor, left_context: int = 0) -> torch.Tensor:
    """Scores by distance [1, heads, n, 2 n - 1] -> by key [1, heads, n, n]; ESPnet's own has no ONNX operator."""
    batch, heads, n, columns = x.shape
    padded = torch.cat([x.new_zeros(batch, heads, n, 1), x], 3).view(batch, heads, columns + 1, n)
    return padded[:, :, 1:].reshape(batch, heads, n, columns)[..., :n]


def compute_positions(network: torch.nn.Module) -> None:
    """Let the graph compute the sinusoids of positions: a trace would keep ESPnet's table of 5000, often larger than
    the weights, and end there."""
    for module in network.modules():
        table = getattr(module, "pe", None)
        if not hasattr(module, "extend_pe") or not isinstance(table, torch.Tensor):
            continue
        zero = table.new_tensor([0.0, 1.0]).repeat(table.shape[2] // 2)  # sine and cosine of place 0
        if table[0, 0].equal(zero):
            module.extend_pe = functools.partial(_extend, module, False)
        elif table[0, table.shape[1] // 2].equal(zero):
            module.extend_pe = functools.partial(_extend, module, True)


def _extend(module: torch.nn.Module, relative: bool, x: torch.Tensor, left_context: int = 0) -> None:
    frames, size = x.size(1), module.pe.shape[2]
    places = torch.arange(frames - 1, -frames, -1) if relative else torch.arange(frames)
    angles = places[:, None].float() * torch.exp(torch.arange(0, size, 2) * (-math.log(10000.0) / size))
    module.pe = torch.stack([angles.sin(), angles.cos()], -1).flatten(1)[None]


class Decoder(torch.nn.Module):
    """Transformer decoder: encoder output, tokens so far [1, n] (the first is <sos/eos>) -> log probabilities of the
    next one [1, tokens]."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.decoder = model.decoder
        compute_positions(self.decoder)

    def forward(self, encoded: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """See the class."""
        mask = torch.ones_like(tokens).unsqueeze(1) * torch.ones_like(tokens).unsqueeze(2)
        return self.decoder.forward_one_step(tokens, mask.tril().bool(), encoded)[0]


class Prediction(torch.nn.Module):
    """Prediction network of a transducer: token [1, 1], and of LSTM and GRU the state -> output [1, size], state.

    The state is [layers, 1, size]; an LSTM has two.
    """

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.decoder = model.decoder

    def forward(self, token: torch.Tensor, *state: torch.Tensor):
        """See the class."""
        x = self.decoder.embed(token)
        states: list[list[torch.Tensor]] = [[] for _ in state]
        for layer, rnn in enumerate(self.decoder.rnn if state else ()):
            before = tuple(part[layer : layer + 1] for part in state)
            x, after = rnn(x, before if len(state) == 2 else before[0])
            for kept, part in zip(states, after if len(state) == 2 else (after,), strict=True):
                kept.append(part)
        return x[0], *(torch.cat(parts) for parts in states)


class Joint(torch.nn.Module):
    """Joint network: a frame of the encoder's output [1, channels], the prediction network's [1, size] -> log
    probabilities [1, tokens]."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.joint = model.joint_network

    def forward(self, frame: torch.Tensor, prediction: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return torch.log_softmax(self.joint(frame, prediction), -1)
