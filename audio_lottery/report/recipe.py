"""What a recogniser is and how it was trained, in few words, from its training configuration."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations

# What a reader wants to know first.
SAID = ("frames", "features", "size", "epochs")
_NAMES = {"conformer": "Conformer", "transformer": "Transformer", "e_branchformer": "E-Branchformer",
          "ds2": "CNN-LSTM (Deep Speech 2)", "vgg_rnn": "CNN-LSTM (VGG)", "rnn": "LSTM", "lstm": "LSTM"}


def backbone(training: Mapping) -> str:
    """What a recogniser is made of."""
    encoder = training.get("encoder") or ""
    if training.get("joint_network_conf") is not None:
        blocks = (training.get("encoder_conf") or {}).get("body_conf") or [{}]
        return f"RNN transducer, {_NAMES.get(blocks[0].get('block_type', encoder), encoder)} encoder"
    ctc = (training.get("model_conf") or {}).get("ctc_weight", 0.5) == 1
    return f"{_NAMES.get(encoder, encoder)}, {'CTC' if ctc else 'CTC and attention'}"


def traits(training: Mapping, stored: Mapping | None = None, parameters: int | None = None) -> dict[str, str]:
    """Kind -> words, "" where it is not known.

    stored: frontend_conf of features that were computed before training. parameters: of the whole model.
    """
    conf = stored or training.get("frontend_conf") or {}
    hop, rate = conf.get("hop_length"), conf.get("fs", 16000)
    known = isinstance(hop, int) and isinstance(rate, int)
    scheduler = {"": training.get("scheduler"), **(training.get("scheduler_conf") or {})}
    batch = {key: training.get(key) for key in ("batch_type", "batch_bins", "batch_size", "accum_grad")}
    return {"frames": f"frames of {1000 * hop / rate:g} ms" if known else "",
            "features": "" if training.get("input_size") is None else f"{training['input_size']} stored filterbanks",
            "size": "" if parameters is None else f"{parameters:,} parameters",
            "epochs": f"{training['max_epoch']} epochs a round" if training.get("max_epoch") else "",
            "optimiser": _words({"": training.get("optim"), **(training.get("optim_conf") or {})}),
            "schedule": _words(scheduler), "batches": _words(batch)}


def said(one: Mapping[str, str]) -> str:
    """The first traits, as the beginning of a sentence."""
    text = ", ".join(one[key] for key in SAID if one.get(key))
    return text[:1].upper() + text[1:]


def told_apart(several: Sequence[Mapping[str, str]]) -> list[str]:
    """For each of several recipes of one backbone as few traits as tell it from the others; a number where none do."""
    if len(several) < 2:
        return [""] * len(several)
    names = [""] * len(several)
    differing = [key for key in several[0] if len({one.get(key) for one in several}) > 1]
    for keys in (keys for count in range(1, len(differing) + 1) for keys in combinations(differing, count)):
        names = [", ".join(filter(None, map(one.get, keys))) for one in several]
        if len(set(names)) == len(names):
            return names
    again = Counter(names)
    return [", ".join(filter(None, [name, f"recipe {number}" if again[name] > 1 else ""]))
            for number, name in enumerate(names, 1)]


def _words(values: Mapping[str, object]) -> str:
    return " ".join(f"{key} {value}".strip() for key, value in values.items() if value is not None)
