"""ESPnet's transducer task with the toolkit's RNN-T loss and its recurrent encoder, by subclassing alone."""

import argparse

import torch
from espnet2.tasks import asr_transducer

from audio_lottery.errors import LotteryError
from audio_lottery.espnet.transducer_encoder import RecurrentEncoder, is_recurrent, stand_in
from audio_lottery.espnet.transducer_loss import transducer_loss
from audio_lottery.shrink import resize


class TransducerLoss(torch.nn.Module):
    """:func:`transducer_loss`, averaged over the batch, with the call of warp-transducer's RNNTLoss."""

    def forward(self, acts: torch.Tensor, labels: torch.Tensor, act_lens: torch.Tensor,
                label_lens: torch.Tensor) -> torch.Tensor:
        """Loss () of logits (B, T, U+1, V), labels (B, U) and the two lengths (B,); the blank is 0."""
        return transducer_loss(acts, labels, act_lens, label_lens)


class TransducerMixin:
    """For a subclass of ESPnet's ASRTransducerTask; see the module's text."""

    @classmethod
    def build_model(cls, args: argparse.Namespace):
        """Build ESPnet's model; its criterion, and an encoder of block_type rnn, are the toolkit's.

        ``sizes`` in encoder_conf are those that ``audio-lottery shrink --exact_sizes`` writes.

        ESPnet imports ``warprnnt_pytorch``, which is not on PyPI, at the first loss unless the model has a
        criterion by then. Giving it one leaves the state dict's names as they are, so that stock
        ``espnet2.bin.asr_transducer_inference`` loads the result.

        Raises:
            LotteryError: FastEmit, which this loss does not have.
        """
        if args.model_conf.get("fastemit_lambda"):
            raise LotteryError("model_conf: fastemit_lambda: this RNN-T loss has no FastEmit: leave it at 0")
        encoder_conf = args.encoder_conf
        stock = {key: value for key, value in encoder_conf.items() if key != "sizes"}
        try:
            args.encoder_conf = stand_in(encoder_conf) if is_recurrent(encoder_conf) else stock
            model = super().build_model(args)
        finally:
            args.encoder_conf = encoder_conf
        resize(model.encoder, encoder_conf.get("sizes", {}))
        if is_recurrent(encoder_conf):
            input_size = args.input_size or model.frontend.output_size()
            model.encoder = RecurrentEncoder(input_size, **encoder_conf)
        model.criterion_transducer = TransducerLoss()
        return model


class ASRTransducerTask(TransducerMixin, asr_transducer.ASRTransducerTask):
    """ESPnet's task of the same name, able to train without warprnnt_pytorch and with LSTM encoders."""
