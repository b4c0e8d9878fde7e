"""How far apart two models' outputs are, on the same utterances."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from audio_lottery.errors import LotteryError
from audio_lottery.espnet.speech import read_speech

UTTERANCES = 3
# Lengths of random input, in samples or frames of features.
SAMPLES, FRAMES = (16000, 24000, 40000), (100, 150, 250)


def utterances(config: dict[str, Any], task: str, model: nn.Module) -> tuple[list[tuple[Tensor, Tensor]], str]:
    """Speech [1, length(, features)] with its length [1], the first of the dev set, and where it is from.

    Where the dev set of ``config`` is not at hand: noise.
    """
    for path, name, kind in config.get("valid_data_path_and_name_and_type") or ():
        if name == "speech" and Path(path).is_file():
            try:
                found = islice(read_speech(path, kind, task), UTTERANCES)
                return [(speech, length) for _, speech, length in found], str(path)
            except (OSError, RuntimeError, ValueError) as error:
                raise LotteryError(f"{path}: its first utterances cannot be read ({' '.join(str(error).split())}): "
                                   "start the command in the recipe's folder") from None
    generator = torch.Generator().manual_seed(0)
    if getattr(model, "frontend", None) is not None:
        shapes = [(1, size) for size in SAMPLES]
    else:
        shapes = [(1, size, config["input_size"]) for size in FRAMES]
    return [(torch.randn(shape, generator=generator), torch.tensor([shape[1]])) for shape in shapes], "random input"


@torch.no_grad()
def difference(one: nn.Module, other: nn.Module, inputs: list[tuple[Tensor, Tensor]]) -> float:
    """The largest absolute difference of any output of two recognisers in evaluation mode.

    Outputs: the encoder's, the log-probabilities of CTC, and those of an attention decoder for some tokens.
    """
    return max(float((a - b).abs().max()) for speech, lengths in inputs
               for a, b in zip(_outputs(one, speech, lengths), _outputs(other, speech, lengths), strict=True))


def _outputs(model: nn.Module, speech: Tensor, lengths: Tensor) -> Iterator[Tensor]:
    encoded, encoded_lengths = model.encode(speech, lengths)[:2]
    encoded = encoded[0] if isinstance(encoded, tuple) else encoded
    yield encoded
    if getattr(model, "ctc", None) is not None:
        yield model.ctc.log_softmax(encoded)
    if getattr(model, "decoder", None) is not None and not hasattr(model, "joint_network"):
        tokens = torch.arange(min(5, model.vocab_size)).unsqueeze(0)
        yield model.decoder(encoded, encoded_lengths, tokens, torch.tensor([tokens.shape[1]]))[0].log_softmax(-1)
