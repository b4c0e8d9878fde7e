"""An experiment of a stock ESPnet recipe (``--espnet_exp exp/asr_train_...``): a search takes its data and options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import read_yaml, write_text

# What ESPnet writes into a config.yaml that is of that one run, not of the training.
RUN = {"config", "print_config", "output_dir", "resume", "ngpu", "version", "required", "distributed",
       "multiprocessing_distributed", "dist_backend", "dist_init_method", "dist_world_size", "dist_rank",
       "local_rank", "dist_master_addr", "dist_master_port", "dist_launcher"}
# What a recipe gives by itself: see Recipe.training.
GIVEN = {"use_preprocessor", "token_type", "token_list", "bpemodel", "multiple_iterator", "input_size",
         "train_shape_file", "valid_shape_file", "train_data_path_and_name_and_type",
         "valid_data_path_and_name_and_type"}


@dataclass(frozen=True)
class Experiment:
    """What an experiment's ``config.yaml`` says. Its paths are relative to the recipe's folder, as ESPnet's are."""

    path: Path
    config: dict[str, Any]

    @classmethod
    def read(cls, folder: str | Path) -> "Experiment":
        """Of an experiment's folder; :class:`LotteryError` when it is none of speech recognition."""
        path = Path(folder) / "config.yaml"
        if not path.is_file():
            raise LotteryError(f"{path}: not found: give the folder of an ESPnet experiment (exp/asr_train_...)")
        config = read_yaml(path)
        if not isinstance(config.get("token_list"), list):
            raise LotteryError(f"{path}: holds no token list: give the folder of an ESPnet experiment whose training "
                               "has started")
        return cls(path, config)

    def data(self, part: str) -> str:
        """The formatted set of ``part`` 'train' or 'valid', like dump/raw/train."""
        rows = {name: Path(file) for file, name, _ in self.config.get(f"{part}_data_path_and_name_and_type") or []}
        if set(rows) != {"speech", "text"}:
            raise LotteryError(f"{self.path}: was trained on {', '.join(rows) or 'no data'}: a search takes speech "
                               "and text")
        folder = rows["text"].parent
        if rows["speech"] not in (folder / "wav.scp", folder / "feats.scp") or rows["text"].name != "text":
            raise LotteryError(f"{self.path}: {rows['speech']} and {rows['text']} are not wav.scp (or feats.scp) and "
                               f"text of one folder: give --{part}")
        return str(folder)

    def stats(self) -> str:
        """The folder of statistics, like exp/asr_stats_raw_bpe30."""
        shapes = self.config.get("train_shape_file") or []
        if self.config.get("multiple_iterator") or not shapes:
            raise LotteryError(f"{self.path}: was trained from splits of its training set (--num_splits_asr), or names "
                               "no statistics: give --train and --stats")
        return str(Path(shapes[0]).parents[1])

    def training_options(self) -> dict[str, Any]:
        """The options that make a training configuration, without those of data and of the run itself."""
        return {key: value for key, value in self.config.items() if key not in RUN | GIVEN}

    def write(self, folder: str | Path) -> tuple[str, str]:
        """Write the training configuration and the token list into ``folder``; their paths."""
        config, tokens = Path(folder) / "asr_config.yaml", Path(folder) / "tokens.txt"
        text = yaml.safe_dump(self.training_options(), allow_unicode=True, sort_keys=False)
        for path, content in ((config, text), (tokens, "".join(f"{token}\n" for token in self.config["token_list"]))):
            if not path.is_file() or path.read_text(encoding="utf-8") != content:
                write_text(path, content)
        return str(config), str(tokens)
