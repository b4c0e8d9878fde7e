"""The ESPnet training command of a recipe: prepared data, tokens, statistics and configuration."""

import contextlib
import io
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import yaml

from audio_lottery.data.features import ABOUT, read_features
from audio_lottery.errors import LotteryError
from audio_lottery.espnet.features import parse_yaml
from audio_lottery.espnet.tasks import get_task
from audio_lottery.fileio import read_text

# Where in a Kaldi archive an entry begins, and which frames of it: features, and audio of --audio_format flac.ark.
IN_ARCHIVE = re.compile(r":\d+(\[[^]]*\])?$")
# What ESPnet's reader of archives would run in a shell, "program |" with or without a place in its output, "| program",
# and its standard input.
COMMAND = re.compile(r"\||-$|.*\|[\s:\d\[\],]*$")


@dataclass(frozen=True)
class Recipe:
    """What stage 5 onwards needs of the stages before it. All paths as on the command line."""

    task: str
    asr_config: str
    train: str
    valid: str
    stats: str
    token_type: str
    token_list: str
    bpemodel: str | None = None
    ngpu: int = 0
    asr_args: Sequence[str] = ()
    normalize: str | None = None

    def check(self) -> None:
        """Raise :class:`LotteryError` naming the stage that makes what is missing."""
        needed = [(self.asr_config, "give another --asr_config")]
        needed += [(speech_table(folder), "run stage 2") for folder in (self.train, self.valid)]
        needed += [(self.token_list, "run stage 3")] + ([(self.bpemodel, "run stage 3")] if self.bpemodel else [])
        needed += [(f"{self.stats}/{part}/{shape}", "run stage 4") for part in ("train", "valid")
                   for shape in ("speech_shape", f"text_shape.{self.token_type}")]
        needed += [(self.feature_stats, "run stage 4")] if self.normalize == "global_mvn" else []
        for path, remedy in needed:
            if not Path(path).is_file():
                raise LotteryError(f"{path}: not found: {remedy}")
        for folder in (self.train, self.valid):
            need_speech(folder)

    @property
    def feature_stats(self) -> str:
        """Mean and variance of the features, for global normalisation."""
        return f"{self.stats}/train/feats_stats.npz"

    def data_options(self) -> list[str]:
        """ESPnet's options for data and tokens, shared by statistics and training."""
        options = ["--use_preprocessor", "true", "--token_type", self.token_type, "--token_list", self.token_list]
        if self.bpemodel:
            options += ["--bpemodel", self.bpemodel]
        for part, folder in (("train", self.train), ("valid", self.valid)):
            for data in (speech_data(folder), f"{folder}/text,text,text"):
                options += [f"--{part}_data_path_and_name_and_type", data]
        if has_features(self.train) != has_features(self.valid):
            raise LotteryError(f"{self.train} and {self.valid}: one holds audio, the other features: run stage 2 again")
        if has_features(self.train):
            options += ["--input_size", read_text(f"{self.train}/feats_dim").strip()]
        return options

    def training(self, output: str | Path, extra: Sequence[str] = ()) -> list[str]:
        """The whole ``asr_train`` command line of one round."""
        options = ["--config", self.asr_config, "--output_dir", str(output), "--resume", "true",
                   "--ngpu", str(self.ngpu), *self.data_options()]
        for part in ("train", "valid"):
            for shape in ("speech_shape", f"text_shape.{self.token_type}"):
                options += [f"--{part}_shape_file", f"{self.stats}/{part}/{shape}"]
        if "fold_length" not in self._config():
            # Only read by batch_type folded: the lengths (samples or frames, tokens) that halve a batch.
            options += ["--fold_length", "800" if has_features(self.train) else "80000", "--fold_length", "150"]
        if self.normalize:
            options += ["--normalize", self.normalize]
        if self.normalize == "global_mvn":
            options += ["--normalize_conf", f"stats_file={self.feature_stats}"]
        return [*options, *self._batch_bins(), *self.asr_args, *extra]

    def _batch_bins(self) -> list[str]:
        """For features, ``batch_bins`` of the configuration, which counts samples, in numbers of features.

        So a batch holds about the same speech whatever the input is.
        """
        features = read_features(self.train)
        if features is None:
            return []
        bins = self._config().get("batch_bins", 1000000)
        return ["--batch_bins", str(round(bins * features.size / features.hop))]

    def _config(self) -> dict:
        """The training configuration; empty where it is missing, which ESPnet's parser will say."""
        return parse_yaml(self.asr_config) if Path(self.asr_config).is_file() else {}


def has_features(folder: str | Path) -> bool:
    """Whether a formatted set holds features instead of audio."""
    path = Path(folder) / "feats_type"
    return path.exists() and read_text(path).strip() != "raw"


def speech_table(folder: str | Path) -> str:
    """The file of a set that says where each utterance's audio is, or its features."""
    return f"{folder}/feats.scp" if has_features(folder) else f"{folder}/wav.scp"


def speech_data(folder: str | Path) -> str:
    """A set's speech as ESPnet's options name it: file, name and type, of audio, or of anything in Kaldi archives."""
    archived = has_features(folder) or IN_ARCHIVE.search(first_speech(folder))
    return f"{speech_table(folder)},speech,{'kaldi_ark' if archived else 'sound'}"


def first_speech(folder: str | Path) -> str:
    """Where the speech of a set's first utterance is, as the table says it."""
    _, _, value = read_text(speech_table(folder)).partition("\n")[0].replace("\t", " ").partition(" ")
    if not value.strip():
        raise LotteryError(f"{speech_table(folder)}:1: names no speech: run stage 2 again")
    return value.strip()


def need_speech(folder: str | Path) -> None:
    """Raise :class:`LotteryError` unless a set's first file is there, a relative path seen from the recipe's folder.

    A command in place of a file, on any line, is refused: only stage 2 runs commands, and only where told to.
    """
    for number, line in enumerate(read_text(speech_table(folder)).split("\n"), 1):
        value = " ".join(line.strip().split(maxsplit=1)[1:])  # parted as the reader does
        if COMMAND.match(value):
            raise LotteryError(f"{speech_table(folder)}:{number}: {value[:200]!r} is a command, no file: write its "
                               "output to a file and name that")
    path = IN_ARCHIVE.sub("", first_speech(folder))
    if not Path(path).is_file():
        raise LotteryError(f"{speech_table(folder)}:1: {path}: no such file seen from {Path.cwd()}: start in the "
                           "recipe's folder, or prepare the set again")


def input_files(folder: str | Path) -> list[str]:
    """The files of a formatted set that decide what a model is trained on."""
    files = [speech_table(folder), f"{folder}/text"]
    about = f"{folder}/{ABOUT}"  # how features were computed, where this toolkit did
    return [*files, about] if Path(about).is_file() else files


def parse(task: str, command: Sequence[str], remedy: str = "mend --asr_config or --asr_args") -> Namespace:
    """Parse an ESPnet training command; its complaint about an option becomes one line."""
    chosen = get_task(task)
    return parse_by(chosen.get_parser(), command, "training", remedy, chosen.check_required_command_args)


def parse_by(parser: ArgumentParser, command: Sequence[str], what: str, remedy: str,
             check: Callable[[Namespace], None] = lambda args: None) -> Namespace:
    """Parse a command by a parser of ESPnet's, then ``check`` it; what is refused is a :class:`LotteryError`."""
    for option, word in pairwise(command):
        if option == "--config" and Path(word).is_file():
            parse_yaml(word)  # ESPnet's own reader knows no bounds, and would say what is wrong in a traceback
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            args = parser.parse_args(list(command))
            check(args)
            return args
    except SystemExit:
        lines = said.getvalue().strip().splitlines() or ["unknown reason"]
        reason = lines[-1].split("error: ", 1)[-1]
        raise LotteryError(f"ESPnet refused the {what} options: {reason}: {remedy}") from None
    except yaml.YAMLError as error:  # of a value among the options
        reason = " ".join(str(error).split())
        raise LotteryError(f"the {what} options are not valid YAML ({reason}): {remedy}") from None
    except OSError as error:
        raise LotteryError(f"{error.filename}: {error.strerror}: {remedy}") from None
