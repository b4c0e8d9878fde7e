"""Does the engine say what ESPnet says? One model, one set, both; with the values of a ticket rounded, too."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from audio_lottery.engine.recogniser import Decoding, Recogniser
from audio_lottery.espnet.command import need_speech, speech_data, speech_table
from audio_lottery.espnet.greedy import Reference
from audio_lottery.espnet.models import averaged_model_file
from audio_lottery.espnet.speech import read_speech
from audio_lottery.espnet.tasks import resolve
from audio_lottery.export import folder, summary, ticket_file
from audio_lottery.metrics.compare import read_references
from audio_lottery.metrics.scoring import SetScore, check_coverage, score_words
from audio_lottery.metrics.trn import read_kaldi

VALUES = ("fp32", "fp16", "int8")


@dataclass
class Heard:
    """What one recogniser made of a set, and how far it is from ESPnet."""

    texts: dict[str, str] = field(default_factory=dict)
    features: float = 0.0  # largest difference of a feature
    encoder: float = 0.0  # of an encoder output, from ESPnet's features


def parity(round_folder: Path, data: Path, values: Sequence[str] = VALUES, task: str = "auto", beam: int = 1
           ) -> dict[str, Any]:
    """Pack a round, recognise a set by ESPnet and by the engine, compare.

    beam: 1 is greedy; of a transducer more is ESPnet's ``tsd`` search. For CTC more is refused: ESPnet's search
    goes token by token, the engine's frame by frame.

    Returns {"utterances", "words", "search", "scorer", "dense_bytes", "espnet": {"wer", "errors"}, "values": {name:
    {"file_bytes", "times_smaller", "wer", "errors", "features", "encoder", "different": [{"utterance", "reference",
    "espnet", "engine"}]}}, "inference": {...}}: ``dense_bytes`` is the size of all weights as the model keeps them,
    ``features`` and ``encoder`` are largest absolute differences, for int8 of 8-bit computation. For ``inference`` see
    :func:`_inference`; it is empty without fp32.

    Raises:
        LotteryError: the engine cannot run the model; the message names what.
    """
    task = resolve(task, round_folder / "config.yaml")
    need_speech(data)
    model_file = averaged_model_file(round_folder)
    ticket = folder.from_folder(round_folder, model_file)
    Recogniser(ticket)  # what it cannot run is said before ESPnet works
    with tempfile.TemporaryDirectory() as work:
        files = {name: Path(work) / f"{name}.ticket" for name in values}
        for name, path in files.items():
            ticket_file.write(path, ticket, name)
        engines = {name: Recogniser.load(path, int8=name == "int8") for name, path in files.items()}
        sizes = {name: summary.summarise(ticket_file.open_reader(path)) for name, path in files.items()}
        reference = Reference(round_folder, task, model_file, beam)
        espnet, heard = _recognise(reference, engines, data, task)
        truth, speakers = read_references(data)
        check_coverage(truth, espnet, data / "text", speech_table(data))
        texts = {"espnet": espnet} | {name: one.texts for name, one in heard.items()}
        scores = {name: score_words(truth, said, speakers, Path(work) / name) for name, said in texts.items()}
        inference = {}
        for tag, said in _decoded(round_folder, data).items() if "fp32" in heard else ():
            inference[tag] = _rate(score_words(truth, said, speakers, Path(work) / f"decode_{tag}"))
            inference[tag] |= _inference(truth, said, espnet, heard["fp32"].texts)
    row = {"utterances": len(truth), "words": scores["espnet"].total.words, "search": reference.search,
           "scorer": scores["espnet"].scorer, "dense_bytes": next(iter(sizes.values()))["dense_bytes"],
           "espnet": _rate(scores["espnet"]), "values": {}, "inference": inference}
    for name, one in heard.items():
        row["values"][name] = {
            "file_bytes": sizes[name]["file_bytes"], "times_smaller": sizes[name]["times_smaller"],
            **_rate(scores[name]), "features": one.features, "encoder": one.encoder,
            "different": _different(truth, espnet, one.texts),
        }  # fmt: skip
    return row


def _decoded(round_folder: Path, data: Path) -> dict[str, dict[str, str]]:
    """What ESPnet's inference command made of the set in stage 6: inference tag -> its texts."""
    found, truth = {}, read_kaldi(data / "text")
    for path in sorted(round_folder.glob(f"decode_*/{data.name}/text")):
        texts = read_kaldi(path, empty=True)
        check_coverage(truth, texts, data / "text", path)
        found[path.parent.parent.name.removeprefix("decode_")] = texts
    return found


def _inference(truth: Mapping[str, str], decoded: Mapping[str, str], espnet: Mapping[str, str],
               engine: Mapping[str, str]) -> dict[str, Any]:
    """{"different": texts that the inference command and the engine in fp32 do not share; "of_search": in how many of
    them ESPnet's own networks, searched as the engine searches, say what the engine says}."""
    different = _different(truth, decoded, engine)
    return {"different": different, "of_search": sum(espnet[one["utterance"]] == one["engine"] for one in different)}


def _different(truth: Mapping[str, str], espnet: Mapping[str, str], engine: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"utterance": utterance, "reference": text, "espnet": espnet[utterance], "engine": engine[utterance]}
            for utterance, text in truth.items() if espnet[utterance] != engine[utterance]]


def _recognise(reference: Reference, engines: Mapping[str, Recogniser], data: Path, task: str
               ) -> tuple[dict[str, str], dict[str, Heard]]:
    path, _, kind = speech_data(data).split(",")
    espnet, heard = {}, {name: Heard() for name in engines}
    decoding = Decoding(beam=reference.beam, search="tsd")
    for utterance, speech, length in read_speech(path, kind, task):
        features, encoded, espnet[utterance] = reference.recognise(speech, length)
        for name, engine in engines.items():
            heard[name].texts[utterance] = _hear(engine, speech[0], features, encoded, decoding, heard[name])
    return espnet, heard


def _hear(engine: Recogniser, speech: Tensor, features: np.ndarray, encoded: np.ndarray | None, decoding: Decoding,
          far: Heard) -> str:
    """The engine's text of speech (samples, or [frames, size] features); notes how far its inner values are."""
    own = engine.features(speech.numpy(), engine.frontend.rate) if speech.ndim == 1 else speech.numpy()
    if len(own) < engine.layout.shortest:  # ESPnet leaves its text empty
        return ""
    far.features = max(far.features, _distance(own, features))
    if encoded is not None:
        far.encoder = max(far.encoder, _distance(engine.encode(features), encoded))
    return engine.text(engine.transcribe_features(own, decoding))


def _distance(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max()) if ours.shape == theirs.shape else float("inf")


def _rate(score: SetScore) -> dict[str, Any]:
    return {"wer": score.total.rate, "errors": score.total.errors}
