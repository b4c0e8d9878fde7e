"""Decoding of rounds by ESPnet's own inference commands, split over jobs, merged when all are done."""

import hashlib
import importlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.espnet import archive
from audio_lottery.espnet.command import need_speech, parse_by, speech_data, speech_table
from audio_lottery.espnet.logs import logged_to, native_stderr_to, quiet
from audio_lottery.espnet.models import averaged_model_file
from audio_lottery.fileio import read_text, read_yaml, sha256, write_text
from audio_lottery.lm.fusion import check_ngram
from audio_lottery.lock import locked

# The inference command of each task; ours are ESPnet's, knowing the further encoders.
COMMANDS = {
    "asr": "audio_lottery.bin.asr_inference",
    "asr_transducer": "audio_lottery.bin.asr_transducer_inference",
    "st": "espnet2.bin.st_inference",
    "s2t": "espnet2.bin.s2t_inference",
}
# ESPnet's names for the model's options, by task.
PREFIX = {"asr": "asr", "asr_transducer": "asr", "st": "st", "s2t": "s2t"}
TABLES = ("text", "token", "token_int", "score")


@dataclass(frozen=True)
class Decoding:
    """One round's model on one set, with one inference configuration."""

    round_folder: Path
    data: Path
    config: str
    tag: str
    task: str = "asr"
    model_file: str | None = None
    ngpu: int = 0
    name: str | None = None

    @property
    def folder(self) -> Path:
        """Where the hypotheses go: below the set's name, which may be org/dev as ESPnet's recipes have it."""
        return self.round_folder / f"decode_{self.tag}" / (self.name or self.data.name)

    @property
    def model(self) -> Path:
        """The decoded model: a file of the round's folder, else its average of the n best on dev."""
        if self.model_file:
            path = self.round_folder / self.model_file
            if not path.is_file():
                raise LotteryError(f"{path}: not found: give a model file of this folder")
            return path
        return averaged_model_file(self.round_folder)

    def keys(self) -> list[str]:
        """Lines of the set's wav.scp, or feats.scp."""
        path = Path(speech_table(self.data))
        if not path.exists():
            raise LotteryError(f"{path}: not found: run stages 1 and 2 for this set")
        return [line for line in read_text(path).splitlines() if line.strip()]

    def digest(self, keys: Iterable[str]) -> str:
        """Of all that decides the hypotheses: model, configuration, files it names (language models), audio list."""
        named = [value for value in read_yaml(self.config).values() if isinstance(value, str)]
        files = [self.config, *(name for name in named if Path(name).is_file())]
        archived = None if self.model_file else archive.model_digest(self.round_folder)
        parts = [archived or sha256(self.model), *map(sha256, files), *keys]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def decode(decoding: Decoding, job: int, jobs: int) -> int:
    """Decode the utterances of one job (1 to ``jobs``); their number, 0 if it was done before."""
    keys = decoding.keys()[job - 1::jobs]
    output = decoding.folder / "logdir" / f"output.{job}"
    done, wanted = output / ".done", f"{jobs} {decoding.digest(keys)}\n"
    if done.exists() and read_text(done) == wanted:
        return 0
    with locked(output, "decoding", beside=True):
        done.unlink(missing_ok=True)
        key_file = decoding.folder / "logdir" / f"keys.{job}.scp"
        write_text(key_file, "".join(f"{line}\n" for line in keys))
        for table in TABLES:
            (output / "1best_recog" / table).unlink(missing_ok=True)
        if keys:
            _infer(decoding, key_file, output)
        write_text(done, wanted)
    return len(keys)


def _infer(decoding: Decoding, key_file: Path, output: Path) -> None:
    need_speech(decoding.data)
    check_ngram(read_yaml(decoding.config), decoding.round_folder / "config.yaml")
    name = PREFIX[decoding.task]
    command = ["--config", decoding.config, "--ngpu", str(decoding.ngpu), "--output_dir", str(output),
               "--key_file", str(key_file), f"--{name}_train_config", str(decoding.round_folder / "config.yaml"),
               f"--{name}_model_file", str(decoding.model), "--data_path_and_name_and_type",
               speech_data(decoding.data)]
    with quiet():
        stock = importlib.import_module(COMMANDS[decoding.task])
    parse_by(stock.get_parser(), command, "decoding", f"mend {decoding.config}")
    log = output.parent / f"{output.name}.log"
    with logged_to(log), native_stderr_to(log):
        stock.main(cmd=command)
        logging.info("Decoded %s", key_file)


def merge(decoding: Decoding, jobs: int) -> int:
    """Join the jobs' hypotheses into ``text``, ``token``, ``score`` of the set; the number of utterances."""
    tables: dict[str, dict[str, str]] = {table: {} for table in TABLES}
    for job in range(1, jobs + 1):
        output = decoding.folder / "logdir" / f"output.{job}"
        wanted = f"{jobs} {decoding.digest(decoding.keys()[job - 1::jobs])}\n"
        if not (output / ".done").exists() or read_text(output / ".done") != wanted:
            raise LotteryError(f"{output}: job {job} of {jobs} has not finished: run stage 7 again")
        for table, lines in tables.items():
            path = output / "1best_recog" / table
            for line in read_text(path).splitlines() if path.exists() else []:
                lines[line.split(maxsplit=1)[0]] = line
    missing = [line.split(maxsplit=1)[0] for line in decoding.keys()]
    missing = [key for key in missing if key not in tables["token"]]
    if missing:
        raise LotteryError(f"{decoding.folder}: no hypothesis for {missing[0]} ({len(missing)} in all): "
                           "remove the folder and run stage 7 again")
    for table, lines in tables.items():
        write_text(decoding.folder / table, "".join(f"{lines[key]}\n" for key in sorted(lines)))
    archive.tidy(decoding.round_folder)
    return len(tables["token"])
