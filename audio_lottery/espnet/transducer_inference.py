"""Decoding of transducers that ESPnet's command cannot decode: with a recurrent encoder, or an n-gram model."""

import argparse
import tempfile
from pathlib import Path

import torch
import yaml
from espnet2.asr_transducer.utils import TooShortUttError
from espnet2.bin import asr_transducer_inference as stock
from espnet2.fileio.datadir_writer import DatadirWriter
from espnet2.torch_utils.set_all_random_seed import set_all_random_seed

from audio_lottery.errors import LotteryError
from audio_lottery.espnet.models import load_state
from audio_lottery.espnet.transducer_encoder import is_recurrent, stand_in
from audio_lottery.espnet.transducer_task import ASRTransducerTask
from audio_lottery.fileio import read_yaml


class Speech2Text(stock.Speech2Text):
    """ESPnet's class of the same name for an ``encoder_conf`` with ``block_type: rnn``.

    ESPnet builds its model from a file and by the name of its own task, so it is given a copy of the
    configuration with a small stand-in encoder; the real model's parts then take the stand-in's place.
    Searches hold only the prediction and joint networks, which both models build alike.
    """

    def __init__(self, asr_train_config: str | Path | None, asr_model_file: str | Path,
                 device: str = "cpu", dtype: str = "float32", **options):
        config_file = Path(asr_train_config or Path(asr_model_file).parent / "config.yaml")
        config = read_yaml(config_file)
        with tempfile.TemporaryDirectory() as folder:
            stand_in_file = Path(folder) / "config.yaml"
            changed = config | {"encoder_conf": stand_in(config["encoder_conf"])}
            stand_in_file.write_text(yaml.safe_dump(changed, allow_unicode=True), encoding="utf-8")
            super().__init__(stand_in_file, None, device=device, dtype=dtype, **options)
        model, self.asr_train_args = ASRTransducerTask.build_model_from_file(config_file, None, device)
        try:
            model.load_state_dict(load_state(Path(asr_model_file)))
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise LotteryError(f"{asr_model_file}: not a model of {config_file} ({reason}): "
                               "give the configuration it was trained with") from error
        self.asr_model = model.to(dtype=getattr(torch, dtype)).eval()
        self.beam_search.decoder, self.beam_search.joint_network = model.decoder, model.joint_network


def decode(args: argparse.Namespace) -> None:
    """Decode as ``espnet2.bin.asr_transducer_inference.inference`` does, given its options."""
    set_all_random_seed(args.seed)
    if args.batch_size > 1:
        raise LotteryError(f"--batch_size {args.batch_size}: transducers decode one by one: leave it at 1")
    speech2text = build(args)
    train_args = speech2text.asr_train_args
    loader = ASRTransducerTask.build_streaming_iterator(
        args.data_path_and_name_and_type, dtype=args.dtype, batch_size=1, key_file=args.key_file,
        num_workers=args.num_workers, preprocess_fn=ASRTransducerTask.build_preprocess_fn(train_args, False),
        collate_fn=ASRTransducerTask.build_collate_fn(train_args, False),
        allow_variable_data_keys=args.allow_variable_data_keys, inference=True)
    with DatadirWriter(args.output_dir) as writer:
        for (key,), batch in loader:
            for n, result in enumerate(recognise(speech2text, batch["speech"][0]), 1):
                write(writer[f"{n}best_recog"], key, *result)


def build(args: argparse.Namespace) -> stock.Speech2Text:
    """The recogniser that the options ask for."""
    config = args.asr_train_config or Path(args.asr_model_file).parent / "config.yaml"
    kind = Speech2Text if is_recurrent(read_yaml(config)["encoder_conf"]) else stock.Speech2Text
    speech2text = kind(
        config, args.asr_model_file, device="cuda" if args.ngpu else "cpu", dtype=args.dtype,
        beam_search_config=args.beam_search_config, lm_train_config=args.lm_train_config,
        lm_file=args.lm_file, token_type=args.token_type, bpemodel=args.bpemodel, beam_size=args.beam_size,
        lm_weight=args.lm_weight, nbest=args.nbest)
    if args.ngram_file:
        from audio_lottery.espnet.transducer_ngram import NgramScorer, with_ngram
        from audio_lottery.lm.fusion import check_ngram

        check_ngram(vars(args), config)
        scorer = NgramScorer(args.ngram_file, speech2text.asr_model.token_list, args.ngram_weight, args.penalty)
        options = {"beam_size": args.beam_size, "nbest": args.nbest, **(args.beam_search_config or {})}
        speech2text.beam_search = with_ngram(speech2text.beam_search, options, scorer)
    return speech2text


def recognise(speech2text: Speech2Text, speech: torch.Tensor) -> list[tuple]:
    """Results (text, tokens, token ids, hypothesis), best first; empty text for too short speech (S,)."""
    try:
        return speech2text.hypotheses_to_results(speech2text(speech))
    except TooShortUttError:
        empty = stock.Hypothesis(score=0.0, yseq=[], dec_state=None)
        return [(" ", ["<space>"], [2], empty)] * speech2text.nbest  # as ESPnet writes it


def write(writer: DatadirWriter, key: str, text: str | None, tokens: list[str], ids: list[int], hyp) -> None:
    """One line in each of ESPnet's files token, token_int, score and text."""
    writer["token"][key] = " ".join(tokens)
    writer["token_int"][key] = " ".join(map(str, ids))
    writer["score"][key] = str(hyp.score)
    if text is not None:
        writer["text"][key] = text
