"""What ESPnet's own modules say to speech by the plainest search: the measure for the engine."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from audio_lottery.engine.transducer_search import MOST_A_FRAME
from audio_lottery.errors import LotteryError
from audio_lottery.espnet.logs import quiet
from audio_lottery.espnet.models import load_state, stock_model
from audio_lottery.fileio import read_yaml


class Reference:
    """A round's model as ESPnet builds and runs it.

    beam: 1 is greedy (ESPnet has no greedy search: its networks are asked for their best token); more is the
    transducers' ``tsd`` search
    """

    def __init__(self, folder: Path, task: str, model_file: Path, beam: int = 1):
        config = read_yaml(folder / "config.yaml")
        self.model = stock_model(folder, task)
        self.model.load_state_dict(load_state(model_file))
        self.model.eval()
        self._tokenizer, self._converter = _text_maker(folder, config)
        self.beam, self._search = beam, None
        if beam > 1:
            self._search = self._tsd(folder)

    @property
    def search(self) -> str:
        """Its name."""
        return "greedy" if self._search is None else f"tsd, beam {self.beam}"

    @torch.no_grad()
    def recognise(self, speech: Tensor, length: Tensor) -> tuple[np.ndarray, np.ndarray | None, str]:
        """Speech [1, samples] or [1, frames, size] -> features [frames, size], encoder output [frames, channels], text.

        Too short an utterance has no encoder output and no text.
        """
        features, _ = self.model._extract_feats(speech, length)
        try:
            encoded = self.model.encode(speech, length)[0]
        except Exception as error:  # ESPnet has two exceptions of this name, which share no base
            if type(error).__name__ != "TooShortUttError":
                raise
            return features[0].numpy(), None, ""
        encoded = (encoded[0] if isinstance(encoded, tuple) else encoded)[0]  # a tuple: with intermediate outputs
        tokens = self._converter.ids2tokens(self._ids(encoded))
        return features[0].numpy(), encoded.numpy(), self._tokenizer.tokens2text(tokens)

    def _ids(self, encoded: Tensor) -> list[int]:
        if not hasattr(self.model, "joint_network"):
            best = torch.unique_consecutive(self.model.ctc.argmax(encoded[None])[0])
            return [token for token in best.tolist() if token]
        self.model.decoder.score_cache = {}
        if self._search is None:
            return self._best(encoded)
        return [token for token in self._search(encoded)[0].yseq if token]

    def _best(self, encoded: Tensor) -> list[int]:
        ids, state = [0], self.model.decoder.init_state(1)
        out, state = self.model.decoder.score(ids, state)
        for frame in encoded:
            for _ in range(MOST_A_FRAME):
                token = int(self.model.joint_network(frame[None], out).argmax())
                if token == 0:
                    break
                ids.append(token)
                out, state = self.model.decoder.score(ids, state)
        return ids[1:]

    def _tsd(self, folder: Path):
        from espnet2.asr_transducer.beam_search_transducer import BeamSearchTransducer

        if not hasattr(self.model, "joint_network"):
            raise LotteryError(f"{folder}: a CTC model with --beam_size {self.beam}: ESPnet's beam search goes token "
                               "by token, the engine's frame by frame: leave --beam_size at 1")
        return BeamSearchTransducer(self.model.decoder, self.model.joint_network, self.beam, search_type="tsd")


def _text_maker(folder: Path, config: dict):
    """ESPnet's tokenizer and converter of token ids."""
    with quiet():
        from espnet2.text.build_tokenizer import build_tokenizer
        from espnet2.text.token_id_converter import TokenIDConverter
    kind = config.get("token_type", "bpe")
    bpemodel = config.get("bpemodel") if kind == "bpe" else None
    if kind == "bpe" and not (bpemodel and Path(bpemodel).is_file()):
        raise LotteryError(f"{folder / 'config.yaml'}: bpemodel: {bpemodel}: no such file seen from {Path.cwd()}: "
                           "start in the recipe's folder")
    return build_tokenizer(token_type=kind, bpemodel=bpemodel), TokenIDConverter(config["token_list"])
