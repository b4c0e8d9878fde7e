"""Recurrent layers for encoders: each layer and direction is a module, and so has tensors, of its own.

Padded sequences go through the recurrent layers as they are; the backward direction reads each utterance
turned round within its own length, so that it never starts in the padding. torch's packed sequences give
the same values, but on a CPU their backward pass takes time quadratic in the length: 4 times as long at
75 frames, and more beyond.
"""

import torch

from audio_lottery.errors import LotteryError

RNN_TYPES = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


class RecurrentLayer(torch.nn.Module):
    """One LSTM or GRU layer, its two directions summed, then a normalisation and dropout.

    Summing the directions and normalising over all frames of the batch ("sequence-wise") follow Deep
    Speech 2 (Amodei et al. 2016, sections 3.2 and 3.3). Only frames within the lengths are normalised.
    """

    def __init__(self, input_size: int, hidden_size: int, rnn_type: str, bidirectional: bool,
                 dropout: float, norm: type[torch.nn.Module]):
        super().__init__()
        self.forward_rnn = RNN_TYPES[rnn_type](input_size, hidden_size)
        self.backward_rnn = RNN_TYPES[rnn_type](input_size, hidden_size) if bidirectional else None
        self.norm = norm(hidden_size)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, x: torch.Tensor, valid: torch.Tensor, turned: torch.Tensor) -> torch.Tensor:
        """(T, B, input_size) to (T, B, hidden_size), zero in the padding.

        valid: which frames lie within the lengths, (T, B). turned: for each frame, the one it is swapped
        with when its utterance is turned round, (T, B, 1).
        """
        y, _ = self.forward_rnn(x)
        if self.backward_rnn is not None:
            z, _ = self.backward_rnn(x.gather(0, turned.expand_as(x)))
            y = y + z.gather(0, turned.expand_as(z))
        frames = self.dropout(self.norm(y[valid]))
        return y.new_zeros(y.shape, dtype=frames.dtype).masked_scatter(valid.unsqueeze(-1), frames)


class RecurrentStack(torch.nn.Sequential):
    """``num_layers`` recurrent layers over padded sequences.

    Args:
        input_size: features of a frame.
        hidden_size: units of each layer and direction; the output size.
        num_layers: number of layers.
        rnn_type: lstm or gru.
        bidirectional: whether each layer also reads backwards.
        dropout: after each layer.
        norm: class of the normalisation after each layer, built with the size.

    Raises:
        LotteryError: an unknown ``rnn_type``, or a size that is not positive.
    """

    def __init__(self, input_size: int, hidden_size: int, num_layers: int, rnn_type: str = "lstm",
                 bidirectional: bool = True, dropout: float = 0.0,
                 norm: type[torch.nn.Module] = torch.nn.BatchNorm1d):
        if rnn_type not in RNN_TYPES:
            raise LotteryError(f"encoder_conf: rnn_type: {rnn_type!r}: choose from {', '.join(RNN_TYPES)}")
        if min(hidden_size, num_layers) < 1:
            raise LotteryError("encoder_conf: hidden_size and num_layers must be at least 1")
        sizes = [input_size] + [hidden_size] * (num_layers - 1)
        super().__init__(*(RecurrentLayer(size, hidden_size, rnn_type, bidirectional, dropout, norm)
                           for size in sizes))

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(B, T, input_size) and lengths (B,), in any order, to (B, T, hidden_size), zero in the padding."""
        frame = torch.arange(x.shape[1], device=x.device).unsqueeze(1)
        valid = frame < lengths.to(x.device)
        turned = torch.where(valid, lengths.to(x.device) - 1 - frame, frame).unsqueeze(-1)
        x = x.transpose(0, 1).contiguous()
        for layer in self:
            x = layer(x, valid, turned)
        return x.transpose(0, 1)
