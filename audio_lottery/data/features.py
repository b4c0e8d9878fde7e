"""What a formatted set of features says about itself (``dump/fbank/train``)."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from audio_lottery import fileio
from audio_lottery.errors import LotteryError

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
    if not path.is_file():
        return None
    try:
        found = Features(**fileio.read_json(path)["features"])
    except (KeyError, TypeError):
        found = None
    if found is None or not all(type(value) is int and value > 0 for value in dataclasses.astuple(found)):
        raise LotteryError(f"{path}: does not say what the features are: run stage 2 again")
    return found


def training_set(config: Mapping) -> Path | None:
    """The folder of the features that a model of this ESPnet configuration was trained from; None for audio."""
    data = config.get("train_data_path_and_name_and_type") or []
    paths = [Path(path) for path, name, kind in data if name == "speech" and kind == "kaldi_ark"]
    return paths[0].parent if paths else None
