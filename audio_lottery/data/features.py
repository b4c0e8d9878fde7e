"""What a formatted set of features says about itself (``dump/fbank/train``)."""

import dataclasses
from pathlib import Path

from audio_lottery import fileio

ABOUT = "feats.json"  # frontend_conf, and the fields of Features
TENSORS = "front_end.safetensors"  # the front end's filters


@dataclasses.dataclass(frozen=True)
class Features:
    """Numbers in a frame, samples from frame to frame, samples a second."""

    size: int
    hop: int
    rate: int

    @property
    def frames_per_second(self) -> float:
        """Frames in a second of audio."""
        return self.rate / self.hop


def read_features(folder: str | Path) -> Features | None:
    """What the features of a formatted set are; None for a set of audio, or features made by another toolkit."""
    path = Path(folder) / ABOUT
    return Features(**fileio.read_json(path)["features"]) if path.is_file() else None
