"""Head counts that ESPnet's attention can have: its heads times their size are the size of the block."""

from argparse import Namespace

from audio_lottery.errors import LotteryError
from audio_lottery.granularity.coupled import nearest_divisor

# What ESPnet takes where a configuration gives none.
SIZE, HEADS = 256, 4


def refuse_heads(args: Namespace, where: str) -> None:
    """Raise LotteryError for a head count that does not divide; ESPnet's own assertion says nothing of it."""
    encoder, decoder = args.encoder_conf or {}, getattr(args, "decoder_conf", None) or {}
    size = encoder.get("output_size", SIZE)
    for number, block in enumerate(encoder.get("body_conf") or ()):
        if "hidden_size" in block and block.get("block_type") != "rnn":
            _refuse(block["hidden_size"], block.get("heads", HEADS), f"{where}encoder_conf: body_conf[{number}]: heads")
    if "attention_heads" in encoder:
        _refuse(size, encoder["attention_heads"], f"{where}encoder_conf: attention_heads")
    if "attention_heads" in decoder:
        _refuse(size, decoder["attention_heads"], f"{where}decoder_conf: attention_heads")


def _refuse(size: object, heads: object, key: str) -> None:
    if not isinstance(size, int) or not isinstance(heads, int) or size < 1:
        return  # ESPnet refuses types
    if heads < 1 or size % heads:
        raise LotteryError(f"{key}: {size} does not divide by {heads} heads: take {nearest_divisor(size, heads)}")
