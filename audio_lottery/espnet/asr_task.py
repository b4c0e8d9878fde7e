"""ESPnet's ``asr`` task, with the encoders and decoders of this toolkit registered."""

from espnet2.tasks.asr import ASRTask

import audio_lottery.espnet.ds2_encoder
import audio_lottery.espnet.resized  # noqa: F401  importing registers the encoders

__all__ = ["ASRTask"]
