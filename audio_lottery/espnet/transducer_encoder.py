"""A recurrent encoder for ESPnet's ``asr_transducer`` task, which itself only knows attention and Conv1d.

    encoder_conf:
      input_conf: {vgg_like: true, subsampling_factor: 4}     # ESPnet's own convolutions in front
      body_conf: [{block_type: rnn, hidden_size: 1024, num_layers: 5, rnn_type: lstm, bidirectional: false}]

Stock ``espnet2.bin.asr_transducer_inference`` refuses ``block_type: rnn`` ("not supported"): decode with
``audio_lottery.bin.asr_transducer_inference``.
"""

from collections.abc import Sequence

import torch
from espnet2.asr_transducer.encoder.building import build_input_block
from espnet2.asr_transducer.encoder.encoder import Encoder
from espnet2.asr_transducer.encoder.validation import validate_input_block
from espnet2.asr_transducer.utils import TooShortUttError, check_short_utt, make_source_mask

from audio_lottery.errors import LotteryError
from audio_lottery.espnet.recurrent import RecurrentStack


def is_recurrent(encoder_conf: dict) -> bool:
    """Whether an ``encoder_conf`` asks for the encoder of this module."""
    return any(block.get("block_type") == "rnn" for block in encoder_conf.get("body_conf") or ())


def stand_in(encoder_conf: dict) -> dict:
    """An ``encoder_conf`` of the same output size that ESPnet can build, to be replaced afterwards."""
    size = encoder_conf["body_conf"][0].get("hidden_size", 1)
    return {"input_conf": {"conv_size": 2},  # even, for its positional encoding
            "body_conf": [{"block_type": "conv1d", "output_size": size, "kernel_size": 1}]}


class RecurrentEncoder(Encoder):
    """ESPnet's convolutional input block, then LSTM or GRU layers, each with a layer norm.

    Args:
        input_size: features of a frame.
        body_conf: one block, the arguments of :class:`RecurrentStack` beside its block_type.
        input_conf: ESPnet's input block (conv_size, subsampling_factor, vgg_like).
    """

    def __init__(self, input_size: int, body_conf: Sequence[dict], input_conf: dict | None = None):
        torch.nn.Module.__init__(self)  # ESPnet's own would build the blocks it knows
        if len(body_conf) != 1:
            raise LotteryError("encoder_conf: body_conf: block_type rnn stands alone: use its num_layers")
        # The convolutions' channels go to the first layer as they are, as to ESPnet's Conv1d blocks.
        input_conf = dict(input_conf or {})
        size = validate_input_block(input_conf, {"block_type": "conv1d"}, input_size)
        self.embed = build_input_block(input_size, input_conf)
        layers = {key: value for key, value in body_conf[0].items() if key != "block_type"}
        try:
            self.rnns = RecurrentStack(size, norm=torch.nn.LayerNorm, **layers)
        except TypeError as error:
            raise LotteryError(f"encoder_conf: body_conf: {error}") from error
        self.output_size = layers["hidden_size"]
        self.dynamic_chunk_training = False

    def forward(self, x: torch.Tensor, x_len: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (B, T, F) and lengths (B,) to encoded frames (B, T', hidden_size) and lengths."""
        short, limit = check_short_utt(self.embed.subsampling_factor, x.size(1))
        if short:
            raise TooShortUttError(f"has {x.size(1)} frames and needs more than {limit}", x.size(1), limit)
        x, mask = self.embed(x, make_source_mask(x_len))
        lengths = mask.eq(0).sum(1)
        return self.rnns(x, lengths), lengths

    def reset_cache(self, left_context: int, device: torch.device) -> None:
        """Streaming is refused (LotteryError)."""
        raise LotteryError("--streaming true: the recurrent encoder decodes whole utterances: leave it false")
