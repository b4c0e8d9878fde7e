"""Log-mel filterbanks computed once, by ESPnet's own front end, into Kaldi archives (``--feats_type fbank``).

A model trained from them has no front end: it takes features, as a stock ESPnet recipe of
``feats_type fbank`` does.
"""

import dataclasses
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import kaldiio
import numpy as np
import torch
from safetensors.torch import save_file

from audio_lottery import fileio
from audio_lottery.data import audio, done, kaldi
from audio_lottery.data.features import ABOUT, TENSORS, Features
from audio_lottery.data.folder import make_folder
from audio_lottery.errors import LotteryError
from audio_lottery.processes import end_with_pool

VERSION = 2  # raise when the output changes


def dump_features(source: str | Path, dump: str | Path, asr_config: str | Path, nj: int = 1) -> bool:
    """Make ``dump`` (``dump/fbank/train``) from a formatted set of audio; returns False when it was there already.

    It holds the set's tables, ``feats.scp`` and the archives of float32 frames [frames, mels] it names,
    ``feats_type``, ``feats_dim`` and ``utt2num_frames``, as an ESPnet recipe has them.

    Args:
        asr_config: the training configuration whose ``frontend_conf`` says how to compute them.

    Raises:
        LotteryError: another front end than the default one, audio of another rate or of several channels.
    """
    source, dump = Path(source), Path(dump)
    data, conf = kaldi.DataDir.read(source), front_end_conf(asr_config)
    if data.segments is not None:
        raise LotteryError(f"{source}: has segments: format it first, with audio-lottery format")
    stamps = {path: done.stamp(path) for path in data.wav.values()}
    key = done.digest("fbank", VERSION, str(dump), conf, [data.wav, data.text, data.utt2spk], stamps)
    return make_folder(dump, key, lambda temporary: _write(data, temporary, dump, conf, nj))


def front_end_conf(asr_config: str | Path) -> dict:
    """``frontend_conf`` of a training configuration."""
    config = parse_yaml(asr_config)
    if config.get("frontend", "default") != "default":
        raise LotteryError(f"{asr_config}: frontend {config['frontend']}: only the default front end's filterbanks can "
                           "be computed beforehand: give --feats_type raw")
    return config.get("frontend_conf") or {}


def parse_yaml(asr_config: str | Path) -> dict:
    """A training configuration's options."""
    config = fileio.parse_yaml(asr_config, fileio.read_text(asr_config)) or {}
    if not isinstance(config, dict):
        raise LotteryError(f"{asr_config}: not an ESPnet configuration: give another --asr_config")
    return config


def build_front_end(conf: dict) -> tuple[torch.nn.Module, Features]:
    """ESPnet's front end, for inference, and what it makes."""
    from espnet2.asr.frontend.default import DefaultFrontend

    rate = sampling_rate(conf)
    try:
        front_end = DefaultFrontend(**conf).eval()
    except (TypeError, ValueError) as error:
        raise LotteryError(f"frontend_conf: ESPnet refuses it ({error}): mend --asr_config") from None
    return front_end, Features(front_end.output_size(), front_end.hop_length, rate)


def sampling_rate(conf: dict | None) -> int:
    """The rate in Hz that a ``frontend_conf`` takes, written as 8000 or 16k."""
    import humanfriendly

    rate = (conf or {}).get("fs", 16000)
    try:
        return humanfriendly.parse_size(str(rate))
    except humanfriendly.InvalidSize:
        raise LotteryError(f"frontend_conf: fs: {rate}: not a sampling rate: mend --asr_config") from None


def _write(data: kaldi.DataDir, folder: Path, final: Path, conf: dict, nj: int) -> None:
    rows = [(utterance, data.wav[utterance], data.where(utterance)) for utterance in data.utterances]
    parts = [rows[i::nj] for i in range(min(nj, len(rows)))]
    jobs = [(part, folder / f"feats.{number}.ark", conf) for number, part in enumerate(parts, 1)]
    if len(jobs) == 1:
        results = [_extract(*jobs[0])]
    else:
        # A fork of a process with threads may hang.
        context = multiprocessing.get_context("forkserver")
        with ProcessPoolExecutor(len(jobs), context, end_with_pool) as pool:
            results = list(pool.map(_extract, *zip(*jobs, strict=True)))
    where = {utterance: (f"{final / job[1].name}:{offset}", frames)
             for job, result in zip(jobs, results, strict=True) for utterance, (offset, frames) in result.items()}
    front_end, features = build_front_end(conf)
    # Its filters, with which a model trained from the features can be given audio.
    with fileio.atomic_path(folder / TENSORS) as temporary:
        save_file({name: value.contiguous() for name, value in front_end.state_dict().items()}, temporary)
    kaldi.write_table(folder / "feats.scp", {utterance: place for utterance, (place, _) in where.items()})
    kaldi.write_table(folder / "utt2num_frames", {utterance: frames for utterance, (_, frames) in where.items()})
    fileio.write_text(folder / "feats_type", "fbank\n")
    fileio.write_text(folder / "feats_dim", f"{features.size}\n")
    fileio.write_json(folder / ABOUT, {"frontend_conf": conf, "features": dataclasses.asdict(features)})
    data.write(folder)


def _extract(rows: list[tuple[str, str, str]], archive: Path, conf: dict) -> dict[str, tuple[int, int]]:
    """Write one archive; utterance -> place in it (bytes) and number of frames."""
    torch.set_num_threads(1)
    front_end, features = build_front_end(conf)
    places = {}
    with open(archive, "wb") as stream, torch.inference_mode():
        for utterance, path, where in rows:
            samples, rate = audio.read(path, where=where)
            if rate != features.rate:
                raise LotteryError(f"{where}: {path}: {rate} Hz, the configuration's front end takes {features.rate}: "
                                   "give another --fs to stage 2, or another --asr_config")
            speech = torch.from_numpy(audio.to_mono(samples, None, f"{where}: {path}"))
            frames, _ = front_end(speech[None], torch.tensor([len(speech)]))
            # An entry is the id, a blank, and the matrix that feats.scp points to.
            place = stream.tell() + len(utterance.encode()) + 1
            kaldiio.save_ark(stream, {utterance: frames[0].numpy().astype(np.float32, copy=False)})
            places[utterance] = (place, frames.shape[1])
    return places
