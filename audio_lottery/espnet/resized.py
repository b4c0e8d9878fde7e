"""Encoders and decoders whose blocks have sizes of their own: what ``audio-lottery shrink --exact_sizes`` writes.

Importing this module registers ``encoder: resized`` and ``decoder: resized`` in ESPnet's ``asr`` task:

    encoder: resized
    encoder_conf:
      encoder: conformer          # ESPnet's, with its own options
      encoder_conf: {...}
      sizes: {encoders.0.self_attn: 2, encoders.0.feed_forward: 120}

Stock ESPnet does not know the name: decode with ``audio_lottery.bin.asr_inference``. Names in the state dict
are the stock ones.
"""

from collections.abc import Mapping

from espnet2.asr.decoder.abs_decoder import AbsDecoder
from espnet2.asr.encoder.abs_encoder import AbsEncoder
from espnet2.tasks.asr import decoder_choices, encoder_choices

from audio_lottery.shrink import resize


class ResizedEncoder(AbsEncoder):
    """Makes ESPnet's encoder of a name, and gives its modules (path -> units) their sizes."""

    def __new__(cls, input_size: int, encoder: str, encoder_conf: Mapping, sizes: Mapping[str, int]):
        return resize(encoder_choices.get_class(encoder)(input_size=input_size, **encoder_conf), sizes)


class ResizedDecoder(AbsDecoder):
    """The same of a decoder."""

    def __new__(cls, vocab_size: int, encoder_output_size: int, decoder: str, decoder_conf: Mapping,
                sizes: Mapping[str, int]):
        made = decoder_choices.get_class(decoder)(
            vocab_size=vocab_size, encoder_output_size=encoder_output_size, **decoder_conf)
        return resize(made, sizes)


encoder_choices.classes["resized"] = ResizedEncoder
decoder_choices.classes["resized"] = ResizedDecoder
