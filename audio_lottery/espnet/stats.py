"""Statistics collection (stage 4): lengths of audio and text, feature mean and variance."""

import hashlib
from pathlib import Path

from audio_lottery.errors import LotteryError
from audio_lottery.espnet.command import Recipe, input_files, need_speech, parse, speech_table
from audio_lottery.espnet.logs import logged_to
from audio_lottery.espnet.tasks import get_task
from audio_lottery.fileio import read_text, sha256, write_text
from audio_lottery.lock import locked


def collect(recipe: Recipe) -> bool:
    """Run ESPnet's statistics collection into ``recipe.stats``; False if it was already done.

    ``text_shape.<token_type>`` carries the vocabulary size behind each length, which ESPnet's
    ``numel`` batches need.
    """
    out = Path(recipe.stats)
    command = ["--config", recipe.asr_config, "--output_dir", str(out), "--collect_stats", "true",
               "--ngpu", "0", *recipe.data_options(), *recipe.asr_args,
               "--train_shape_file", speech_table(recipe.train), "--valid_shape_file", speech_table(recipe.valid)]
    for path in (recipe.asr_config, recipe.token_list, *input_files(recipe.train), *input_files(recipe.valid)):
        if not Path(path).is_file():
            raise LotteryError(f"{path}: not found: run stages 1 to 3 first")
    for folder in (recipe.train, recipe.valid):
        need_speech(folder)
    inputs = _digest(recipe, command)
    done = out / ".done"
    if done.exists() and read_text(done) == inputs:
        return False
    parse(recipe.task, command)
    with locked(out, "collection of statistics", beside=True):
        done.unlink(missing_ok=True)
        with logged_to(out / "stats.log"):
            get_task(recipe.task).main(cmd=command)
        vocabulary = len(read_text(recipe.token_list).splitlines())
        for part in ("train", "valid"):
            lines = read_text(out / part / "text_shape").splitlines()
            write_text(out / part / f"text_shape.{recipe.token_type}",
                       "".join(f"{line},{vocabulary}\n" for line in lines))
        write_text(done, inputs)
    return True


def _digest(recipe: Recipe, command: list[str]) -> str:
    total = hashlib.sha256("\0".join(command).encode())
    for path in (*input_files(recipe.train), *input_files(recipe.valid), recipe.asr_config, recipe.token_list):
        total.update(sha256(path).encode())
    return total.hexdigest() + "\n"
