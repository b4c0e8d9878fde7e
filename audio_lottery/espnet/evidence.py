"""Data for data-driven criteria: batches of ESPnet's own iterators, and a model that holds the scored weights."""

import argparse
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from espnet2.torch_utils.set_all_random_seed import set_all_random_seed
from espnet2.train.distributed_utils import DistributedOption
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from audio_lottery.criteria import Calibration
from audio_lottery.errors import LotteryError
from audio_lottery.espnet.logs import quiet
from audio_lottery.espnet.tasks import get_task

# ESPnet's names of the sets.
MODES = {"train": "train", "dev": "valid"}
# Frames of the input of ones: enough for any subsampling.
FRAMES = 100


def calibration(task: str, args: argparse.Namespace, state: Mapping[str, Tensor], part: str, batches: int,
                initial: bool) -> Calibration:
    """A model with the weights ``state`` and the first ``batches`` batches of an epoch of ``part``, shuffled.

    The model is in evaluation mode: no dropout, no SpecAugment. initial: batch norms take the batches' own
    statistics, since those of an untrained model mean nothing. A set of fewer batches is taken whole.
    """
    with quiet():
        model = get_task(task).build_model(args)
        model.load_state_dict(dict(state))
        data = _batches(task, args, MODES[part], batches)
    model.eval()
    for module in model.modules():
        if initial and isinstance(module, _BatchNorm):
            module.train()
            module.track_running_stats = False
    size = args.input_size or model.frontend.output_size()
    return Calibration(model, lambda: (dict(one) for one in data), lambda: _utterances(data), _loss,
                       lambda network: _flow(network, size))


def batches_per_epoch(task: str, args: argparse.Namespace, ranks: int | None = 1) -> int:
    """Batches of an epoch of training that ``ranks`` processes share; ESPnet splits each over all of them.

    Raises LotteryError where ESPnet makes them up on the way, and where the number of processes is not known.
    """
    if ranks is None:
        raise LotteryError("--host: searches within a training run, and stops, need to know the number of processes: "
                           "give --num_nodes and --cmd")
    if ranks > 1:  # what ESPnet takes instead, then
        args = argparse.Namespace(**{**vars(args), "min_batch_size": ranks})
    with quiet():
        factory = _factory(task, args, "train")
    if getattr(factory, "num_iters_per_epoch", None):
        return factory.num_iters_per_epoch
    if not hasattr(factory, "sampler"):
        raise LotteryError(f"iterator_type: {args.iterator_type}: the number of batches of an epoch is not known "
                           "beforehand: set num_iters_per_epoch")
    return len(list(factory.sampler))


def _factory(task: str, args: argparse.Namespace, mode: str):
    return get_task(task).build_iter_factory(args=args, distributed_option=DistributedOption(), mode=mode)


def _batches(task: str, args: argparse.Namespace, mode: str, number: int) -> list[dict[str, Any]]:
    """The same at every call: augmentation draws from the training's seed, in this process."""
    args = argparse.Namespace(**{**vars(args), "num_workers": 0})
    set_all_random_seed(args.seed)
    epoch = _factory(task, args, mode).build_iter(1, shuffle=True)
    return [{**batch, "utt_id": keys} for keys, batch in itertools.islice(epoch, number)]


def _utterances(data: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each utterance as a batch; ESPnet's models cut the padding off at the longest of a batch."""
    for batch in data:
        for n in range(len(batch["utt_id"])):
            one = {name: value[n : n + 1] for name, value in batch.items()}
            for name in [name for name in one if f"{name}_lengths" in one]:
                one[name] = one[name][:, : int(one[f"{name}_lengths"].max())]
            yield one


def _loss(model: nn.Module, batch: Mapping[str, Any]) -> Tensor:
    """The mean loss of a batch."""
    found = model(**{name: value.clone() if isinstance(value, Tensor) else value for name, value in batch.items()})
    return (found["loss"] if isinstance(found, dict) else found[0]).mean()


def _flow(model: nn.Module, size: int) -> Tensor:
    """What comes out of the encoder, and of the CTC layer after it, for ``size`` features of ones."""
    kind = next(model.encoder.parameters()).dtype
    out = model.encoder(torch.ones(1, FRAMES, size, dtype=kind), torch.tensor([FRAMES]))[0]
    out = out[0] if isinstance(out, tuple) else out
    ctc = getattr(model, "ctc", None)
    return out if ctc is None else ctc.ctc_lo(out)
