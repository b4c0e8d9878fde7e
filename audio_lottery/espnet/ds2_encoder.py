"""Deep Speech 2's encoder for ESPnet's ``asr`` task: ``encoder: ds2``. Importing this module registers it.

With ``model_conf: {ctc_weight: 1.0}`` it is the CNN-LSTM CTC backbone of the paper. Stock
``espnet2.bin.asr_inference`` does not know the name: decode with ``audio_lottery.bin.asr_inference``.
"""

from collections.abc import Sequence

import torch
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.tasks.asr import encoder_choices

from audio_lottery.errors import LotteryError
from audio_lottery.espnet.recurrent import RecurrentStack


class SequenceBatchNorm2d(torch.nn.BatchNorm2d):
    """Batch norm of (B, C, T, F) whose statistics leave out the padding frames."""

    def forward(self, x: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Normalise x; valid (B, T) tells which frames count. Padding frames come out as anything finite."""
        if not self.training or bool(valid.all()):
            return super().forward(x)
        y = super().forward(x.transpose(1, 2)[valid].unsqueeze(-1)).squeeze(-1)
        padded = y.new_zeros(x.transpose(1, 2).shape)
        padded[valid] = y
        return padded.transpose(1, 2)


class ConvBlock(torch.nn.Module):
    """2-D convolution, batch norm and clipped ReLU; frames beyond an utterance's end stay zero."""

    def __init__(self, in_channels: int, channels: int, kernel: Sequence[int], stride: Sequence[int]):
        super().__init__()
        if len(kernel) != 2 or len(stride) != 2 or any(size % 2 == 0 for size in kernel):
            raise LotteryError("encoder_conf: kernel_sizes and strides are pairs [time, frequency], "
                               f"kernels of odd size, not {list(kernel)} and {list(stride)}")
        padding = tuple(size // 2 for size in kernel)
        # The batch norm has a bias: one in front of it would do nothing.
        self.conv = torch.nn.Conv2d(in_channels, channels, tuple(kernel), tuple(stride), padding, bias=False)
        self.norm = SequenceBatchNorm2d(channels)
        self.activation = torch.nn.Hardtanh(0.0, 20.0)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """(B, C, T, F), zero in the padding, and lengths (B,) to the same of the output."""
        lengths = (lengths - 1) // self.conv.stride[0] + 1
        x = self.conv(x)
        valid = valid_frames(lengths, x.shape[2])
        x = self.activation(self.norm(x, valid))
        return x.masked_fill(~valid[:, None, :, None], 0.0), lengths


def valid_frames(lengths: torch.Tensor, size: int) -> torch.Tensor:
    """(B, size) bool: which frames lie within the lengths (B,)."""
    return torch.arange(size, device=lengths.device) < lengths.unsqueeze(1)


class DS2Encoder(AbsEncoder):
    """Convolutions over time and frequency, then recurrent layers, each with batch norm.

    Source: Amodei et al., "Deep Speech 2" (ICML 2016). A padded batch gives what its utterances give one
    by one: padding is zeroed before every convolution and left out of the batch statistics.

    Args:
        input_size: features of a frame.
        hidden_size: units of each recurrent layer and direction; the output size.
        num_layers: recurrent layers.
        rnn_type: lstm or gru.
        bidirectional: whether the recurrent layers also read backwards.
        dropout: after each recurrent layer.
        channels: channels of each convolution.
        kernel_sizes: [time, frequency] of each convolution, odd.
        strides: [time, frequency] of each convolution; the products give the subsampling.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int = 1024,
        num_layers: int = 5,
        rnn_type: str = "lstm",
        bidirectional: bool = True,
        dropout: float = 0.0,
        channels: int = 32,
        kernel_sizes: Sequence[Sequence[int]] = ((11, 41), (11, 21)),
        strides: Sequence[Sequence[int]] = ((2, 2), (1, 2)),
    ):
        super().__init__()
        if len(kernel_sizes) != len(strides) or not kernel_sizes:
            raise LotteryError("encoder_conf: kernel_sizes and strides must list as many convolutions")
        convs, in_channels = [], 1
        for kernel, stride in zip(kernel_sizes, strides, strict=True):
            convs.append(ConvBlock(in_channels, channels, kernel, stride))
            in_channels, input_size = channels, (input_size - 1) // stride[1] + 1
        self.convs = torch.nn.ModuleList(convs)
        self.rnns = RecurrentStack(channels * input_size, hidden_size, num_layers, rnn_type, bidirectional,
                                   dropout)
        self._output_size = hidden_size

    def output_size(self) -> int:
        """Features of an output frame."""
        return self._output_size

    def forward(
        self, xs_pad: torch.Tensor, ilens: torch.Tensor, prev_states: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Features (B, T, F) and lengths (B,) to encoded frames (B, T', hidden_size), lengths and None."""
        x = xs_pad.masked_fill(~valid_frames(ilens, xs_pad.shape[1]).unsqueeze(-1), 0.0).unsqueeze(1)
        for conv in self.convs:
            x, ilens = conv(x, ilens)
        x = x.transpose(1, 2).flatten(2)
        return self.rnns(x, ilens), ilens, None


encoder_choices.classes["ds2"] = DS2Encoder
