"""Recurrent layers for encoders: one module, and so tensors of their own, for each layer."""

import torch
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from audio_lottery.errors import LotteryError

RNN_TYPES = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


class RecurrentLayer(torch.nn.Module):
    """One LSTM or GRU layer, its two directions summed, then a normalisation and dropout.

    Summing the directions and normalising over all frames of the batch ("sequence-wise") follow Deep
    Speech 2 (Amodei et al. 2016, sections 3.2 and 3.3). Packed sequences hold no padding, so that a batch
    norm here never sees any.
    """

    def __init__(self, input_size: int, hidden_size: int, rnn_type: str, bidirectional: bool,
                 dropout: float, norm: type[torch.nn.Module]):
        super().__init__()
        self.rnn = RNN_TYPES[rnn_type](input_size, hidden_size, bidirectional=bidirectional)
        self.norm = norm(hidden_size)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, x: PackedSequence) -> PackedSequence:
        """Packed frames of input_size in, of hidden_size out."""
        y, _ = self.rnn(x)
        data = y.data
        if self.rnn.bidirectional:
            data = data.view(data.shape[0], 2, -1).sum(1)
        data = self.dropout(self.norm(data))
        return PackedSequence(data, y.batch_sizes, y.sorted_indices, y.unsorted_indices)


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
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        for layer in self:
            packed = layer(packed)
        return pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])[0]
