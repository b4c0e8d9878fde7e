"""A set's speech, read as ESPnet reads it for decoding."""

import argparse
from collections.abc import Iterator

from torch import Tensor

from audio_lottery.espnet.logs import quiet
from audio_lottery.espnet.tasks import get_task


def read_speech(path: str, kind: str, task: str) -> Iterator[tuple[str, Tensor, Tensor]]:
    """(utterance, speech [1, samples] or [1, frames, size], its length [1]) for each line of a table.

    kind: ESPnet's type of it, like ``sound``. Files that cannot be read raise what ESPnet raises.
    """
    chosen = get_task(task)
    with quiet():
        batches = chosen.build_streaming_iterator(
            [(path, "speech", kind)], preprocess_fn=None, num_workers=0, inference=True, dtype="float32",
            collate_fn=chosen.build_collate_fn(argparse.Namespace(), False))
    for (utterance,), batch in batches:
        yield utterance, batch["speech"], batch["speech_lengths"]
