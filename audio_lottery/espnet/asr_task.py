"""ESPnet's ``asr`` task, with the encoders of this toolkit registered."""

from espnet2.tasks.asr import ASRTask

import audio_lottery.espnet.ds2_encoder  # noqa: F401  importing registers the encoder

__all__ = ["ASRTask"]
