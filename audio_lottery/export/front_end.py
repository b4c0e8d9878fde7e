"""The front end for a model trained from filterbanks: its ticket takes audio, as one trained from audio does."""

from collections.abc import Mapping

from audio_lottery.data.features import ABOUT, TENSORS, read_features, training_set
from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_json

ADDED = "front_end"  # the key in a ticket's provenance


def add_front_end(config: dict, state: Mapping) -> tuple[dict, dict, dict]:
    """(config, state, provenance) of the model that computes its features itself, where it is known how.

    The training set's folder says how they were computed. A model that has a front end, or whose features come
    from elsewhere, is returned as it is, with empty provenance.

    Raises:
        LotteryError: features of another size than the model takes: the folder was made anew since.
    """
    folder = training_set(config)
    if config.get("input_size") is None or folder is None or not (folder / TENSORS).is_file():
        return config, dict(state), {}
    from safetensors.torch import load_file

    features = read_features(folder)
    if features is None or features.size != config["input_size"]:
        raise LotteryError(f"{folder}: does not hold features of size {config['input_size']}, which the model takes: "
                           "make those it was trained from again")
    conf = read_json(folder / ABOUT)["frontend_conf"]
    config = {**config, "input_size": None, "frontend": "default", "frontend_conf": conf}
    tensors = {f"frontend.{name}": value for name, value in load_file(folder / TENSORS).items()}
    return config, {**tensors, **state}, {ADDED: f"added, as the features of {folder.name} were computed"}
