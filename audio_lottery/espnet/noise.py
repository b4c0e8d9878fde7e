"""Noise mixed into the training set while training (``--train_noise``), for any espnet2 task.

ESPnet's own ``noise_scp`` draws from the random generator of a data loader's worker, so what is trained on depends
on the number of workers, and its SNR counts pauses as speech. Here noise depends on the seed, the epoch and the
utterance alone: a killed and resumed training, with any number of workers, hears the same.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from audio_lottery.errors import LotteryError
from audio_lottery.espnet.features import sampling_rate
from audio_lottery.noise.mix import Mixer, make_mixer


class NoisyPreprocessor:
    """ESPnet's preprocessor, after noise was mixed into ``speech``; ``epoch`` is set before each epoch."""

    def __init__(self, preprocess: Callable | None, mixer: Mixer, rate: int):
        self.preprocess = preprocess
        self.mixer = mixer
        self.rate = rate
        self.epoch = 0

    def __call__(self, uid: str, data: dict[str, Any]) -> dict[str, Any]:
        """One utterance: ``data["speech"]`` has shape (n,), +-1 full scale."""
        speech = data["speech"]
        if speech.ndim != 1:
            raise LotteryError(f"{uid}: has {speech.shape[1]} channels: noise is mixed into one: format the audio "
                               "(stage 2), or train without --train_noise")
        if np.ptp(speech) > 0:  # silence has no SNR
            data = {**data, "speech": self.mixer(uid, speech, self.rate, self.epoch)[0]}
        return data if self.preprocess is None else self.preprocess(uid, data)


class NoisyTaskMixin:
    """Put before an espnet2 task: ``class NoisyTask(NoisyTaskMixin, ASRTask)``."""

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        super().add_task_arguments(parser)
        group = parser.add_argument_group("Noise mixed in while training")
        # Defaults are None, so that searches begun before these options were there can be continued.
        group.add_argument("--train_noise", nargs="+", default=None,
                           help="folders of audio (their train part), white, pink, babble=DATA_FOLDER")
        group.add_argument("--train_snr", nargs="+", type=float, default=None,
                           help="the lowest and the highest SNR in dB over active speech")
        group.add_argument("--train_noise_prob", type=float, default=None,
                           help="probability of an utterance to get noise, 1 when not given")

    @classmethod
    def check_required_command_args(cls, args: argparse.Namespace) -> None:
        """Refuse bad noise options before any training: a :class:`LotteryError`."""
        super().check_required_command_args(args)
        training_mixer(args)

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool):
        preprocess = super().build_preprocess_fn(args, train)
        mixer = training_mixer(args) if train else None
        return preprocess if mixer is None else NoisyPreprocessor(preprocess, mixer, sampling_rate(args.frontend_conf))

    @classmethod
    def build_iter_factory(cls, args: argparse.Namespace, distributed_option, mode: str, kwargs=None):
        factory = super().build_iter_factory(args, distributed_option, mode, kwargs)
        return _tell_epochs(factory) if mode == "train" and training_mixer(args) else factory


def training_mixer(args: argparse.Namespace) -> Mixer | None:
    """The mixer that ESPnet training options ask for, None without noise; it uses the train part of noise only."""
    given = {name: getattr(args, name, None) for name in ("train_noise", "train_snr", "train_noise_prob")}
    if given["train_noise"] is None:
        for name, value in given.items():
            if value is not None:
                raise LotteryError(f"--{name}: without noise: give --train_noise, or leave it out")
        return None
    _refuse_unfit(args)
    noise, snr = _listed(given["train_noise"]), given["train_snr"]
    if snr is None:
        raise LotteryError("--train_noise: at which SNR is not said: give --train_snr LOW HIGH")
    try:
        snrs = [float(value) for value in _listed(snr)]
        probability = 1.0 if given["train_noise_prob"] is None else float(given["train_noise_prob"])
    except (TypeError, ValueError):
        raise LotteryError(f"--train_snr {snr} --train_noise_prob {given['train_noise_prob']}: numbers expected"
                           ) from None
    return make_mixer([str(one) for one in noise], snrs, "train", probability, args.seed)


def _refuse_unfit(args: argparse.Namespace) -> None:
    if args.input_size is not None:
        raise LotteryError("--train_noise: the training set holds features (--feats_type fbank), noise is mixed into "
                           "audio: give --noise_mode dumped, or --feats_type raw")
    if str(args.max_cache_size) not in ("0", "0.0"):
        raise LotteryError(f"max_cache_size: {args.max_cache_size}: a cache would give each epoch the first one's "
                           "noise: set it to 0")
    if args.iterator_type not in ("sequence", "category"):
        raise LotteryError(f"iterator_type: {args.iterator_type}: noise while training needs whole utterances: take "
                           "sequence or category")


def _listed(value: object) -> list:
    return list(value) if isinstance(value, list | tuple) else [value]


def _tell_epochs(factory):
    """ESPnet's iterator factory, with the preprocessor told the epoch; loaders copy it to their workers later."""
    build = factory.build_iter

    def build_iter(epoch: int, shuffle: bool | None = None):
        factory.dataset.preprocess.epoch = epoch
        return build(epoch, shuffle)

    factory.build_iter = build_iter
    return factory
