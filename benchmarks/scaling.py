"""How time and memory grow with the corpus and with the model, up to LibriSpeech's 960 hours and 10^9 weights.

    python benchmarks/scaling.py --keep benchmarks/results/scaling.jsonl     full size, 12 GB of free memory
    python benchmarks/scaling.py --utterances 20000 --weights 3e7            a small run

Each step runs in a process of its own, at an eighth, a half and the whole of the size (words, which take minutes, at
an eighth and the whole; letters, ten times as many, at a 32nd and an eighth: sclite gets them in parts of like size):
wall-clock and CPU seconds, those of programs that it calls included; the peak of the resident set, torch's own 0.5 GB
included, or that of a program that it calls where it is larger; what of it the process itself took above what it held
before the step; and the growth from the last size but one to the last: the exponent b of CPU seconds ~ size^b (1 is
linear; on a busy machine wall-clock tells nothing).

Steps over utterances, which are entries without audio of their own (transcripts of 6 to 34 words, as LibriSpeech's;
every line of wav.scp names the same second of silence):

    tables    write and read a data folder                   validate  check it, each file's header too
    format    stage 2: probe each file, write dump/raw       tokens    the list of characters
    words     two rounds scored by words: sclite where it is found, else Python; intervals, paired test
    letters   one round scored by characters, which takes sclite ten times as long
    errors    keep each utterance's errors, read them again

over weights, in tensors of large Conformers:

    mask      one global magnitude mask, 20% pruned          later     the next round's, from the mask before
    masks     write, read and check a mask file              start     theta0 written, read, masked, its digests

and over rounds (a tenth of --utterances): ``ledger``, recording one more score and making the table of all.
Prints a table and, as its last line, one JSON object. --keep writes that object to a file too, anew after each step;
steps that the file has of the same sizes, and that are not asked for now, stay. Worse than linear: exit status 1, when
a step that takes more than two seconds grows by an exponent above --limit.
"""

import argparse
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from engine_race import circumstances  # noqa: E402
from make_mask import RATE, Bag, resident  # noqa: E402

from audio_lottery.fileio import read_json, write_text  # noqa: E402

Step = Callable[[], object]


def rows(count: int, wav: Path) -> list[tuple[str, str, str, str]]:
    """(utterance, speaker, path, transcript): 2,338 speakers, a vocabulary of 20,000."""
    draw = random.Random(0)
    words = ["".join(draw.choices("ABCDEFGHIJKLMNOPRSTUVWY", k=draw.randint(2, 9))) for _ in range(20000)]
    return [(f"{n % 2338:04d}-{n // 2338 % 100:03d}-{n:06d}", f"{n % 2338:04d}", str(wav),
             " ".join(draw.choices(words, k=draw.randint(6, 34)))) for n in range(count)]


def data_folder(folder: Path, count: int):
    """A data folder of so many entries, written."""
    from audio_lottery.data import audio, kaldi

    wav = folder / "silence.wav"
    audio.write(wav, np.zeros(16000, np.float32), 16000)
    data = kaldi.make_data_dir(rows(count, wav))
    data.write(folder / "data")
    return data


def tables(folder: Path, count: int) -> Step:
    from audio_lottery.data import kaldi

    data = data_folder(folder, count)
    return lambda: (data.write(folder / "again"), kaldi.DataDir.read(folder / "again"))


def validate(folder: Path, count: int) -> Step:
    from audio_lottery.data.validate import validate as check

    data_folder(folder, count)
    return lambda: check(folder / "data")


def formatted(folder: Path, count: int) -> Step:
    from audio_lottery.data.format import format_data
    from audio_lottery.data.utterance import Options

    data_folder(folder, count)
    return lambda: format_data(folder / "data", folder / "dump", Options(fs=16000))


def tokens(folder: Path, count: int) -> Step:
    from audio_lottery.data.tokens import make_tokens

    data_folder(folder, count)
    return lambda: make_tokens(folder / "data/text", folder / "tokens", "char", 0)


def decoded(folder: Path, count: int) -> None:
    """Two rounds' hypotheses, in which every tenth and every ninth word is another."""
    from audio_lottery.data import kaldi

    data = data_folder(folder, count)
    for number, every in ((0, 10), (1, 9)):
        texts = {}
        for utterance, text in data.text.items():
            words = text.split()
            words[::every] = ["NO"] * len(words[::every])
            texts[utterance] = " ".join(words)
        decode = folder / f"exp/round_{number:02d}/decode_greedy/set"
        decode.mkdir(parents=True)
        kaldi.write_table(decode / "text", texts)


def words(folder: Path, count: int) -> Step:
    from audio_lottery.metrics.compare import read_references
    from audio_lottery.metrics.scoring import check_coverage, score_words
    from audio_lottery.metrics.significance import bootstrap_interval, permutation_p_worse
    from audio_lottery.metrics.trn import read_kaldi

    decoded(folder, count)

    def step() -> None:
        references, speakers = read_references(folder / "data")
        found = []
        for number in (0, 1):
            path = folder / f"exp/round_{number:02d}/decode_greedy/set/text"
            texts = read_kaldi(path, empty=True)
            check_coverage(references, texts, folder / "data/text", path)
            counts = score_words(references, texts, speakers, path.parent / "score_wer").counts.values()
            found.append([each.errors for each in counts])
            bootstrap_interval(found[-1], [each.words for each in counts])
        permutation_p_worse(found[1], found[0])

    return step


def letters(folder: Path, count: int) -> Step:
    from audio_lottery.metrics.compare import read_references
    from audio_lottery.metrics.scoring import score_characters
    from audio_lottery.metrics.trn import read_kaldi

    decoded(folder, count)
    path = folder / "exp/round_01/decode_greedy/set/text"

    def step() -> None:
        references, speakers = read_references(folder / "data")
        score_characters(references, read_kaldi(path, empty=True), speakers, path.parent / "score_cer")

    return step


def errors(folder: Path, count: int) -> Step:
    from audio_lottery.data import kaldi
    from audio_lottery.metrics import errors as kept
    from audio_lottery.metrics.trn import write_trn
    from audio_lottery.metrics.wer import count_texts, total

    decoded(folder, count)
    data, scores = kaldi.DataDir.read(folder / "data"), {}
    for number in (0, 1):
        decode = folder / f"exp/round_{number:02d}/decode_greedy/set"
        texts = kaldi.read_table(decode / "text")
        for name, which in (("ref", data.text), ("hyp", texts)):
            write_trn(decode / "score_wer" / f"{name}.trn", which, data.utt2spk)
        counts = total(count_texts(data.text, texts))
        scores[number] = {"errors": counts.errors, "words": counts.words}
    return lambda: (kept.record(folder / "exp", "greedy", "set", scores),
                    kept.read(folder / "exp", 1, "greedy", "set", scores[1]))


def ledger(folder: Path, count: int) -> Step:
    from audio_lottery.fileio import write_jsonl
    from audio_lottery.ledger import Ledger
    from audio_lottery.report.table import collect, to_text

    score = {"wer": 10.0, "errors": 10, "words": 100, "ci": [9.0, 11.0], "scorer": "python", "p_worse": 0.5,
             "matches": True, "utterances": 10}
    write_jsonl(folder / "rounds.jsonl", [
        {"round": number, "density_scope": 0.8**number, "density_whole": 0.9**number,
         "scores": {"greedy": {name: score for name in ("dev", "test_clean", "test_other")}}}
        for number in range(count)])

    def step() -> None:
        book = Ledger(folder / "rounds.jsonl")
        book.record_score(count - 1, "greedy", "dev", score)
        to_text(collect(book.rows))

    return step


def weights(count: int) -> dict:
    """Named tensors of about so many random weights."""
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(0)
    return {f"{n}.weight": part.weight.data for n, part in enumerate(Bag(count).parts)}


def mask(folder: Path, count: int) -> Step:
    from audio_lottery.mask import Mask
    from audio_lottery.pruning import prune

    named = weights(count)
    whole = Mask.ones(named, named)
    return lambda: prune(named, whole, RATE)


def later(folder: Path, count: int) -> Step:
    from audio_lottery.mask import Mask
    from audio_lottery.pruning import prune

    named = weights(count)
    first = prune(named, Mask.ones(named, named), RATE)
    return lambda: prune(named, first, RATE)


def masks(folder: Path, count: int) -> Step:
    import torch

    from audio_lottery.mask import Mask

    made = Mask({name: torch.rand(value.shape) < 0.5 for name, value in weights(count).items()})
    return lambda: (made.save(folder / "mask.safetensors"), Mask.load(folder / "mask.safetensors").is_subset(made))


def start(folder: Path, count: int) -> Step:
    import torch

    from audio_lottery import snapshot
    from audio_lottery.mask import Mask

    named = weights(count)
    made = Mask({name: torch.rand(value.shape) < 0.5 for name, value in named.items()})

    def step() -> None:
        snapshot.save(folder / "theta0.safetensors", named, {})
        theta = snapshot.load(folder / "theta0.safetensors")
        made.apply_(theta)
        snapshot.digests(theta)

    return step


STEPS = {"tables": tables, "validate": validate, "format": formatted, "tokens": tokens, "words": words,
         "letters": letters, "errors": errors, "ledger": ledger, "mask": mask, "later": later, "masks": masks,
         "start": start}
OF_WEIGHTS = ("mask", "later", "masks", "start")
PARTS = {"words": (8, 1), "letters": (32, 8)}  # of the whole size that are measured; others: 8, 2, 1


def measure(name: str, size: int, where: str | None) -> dict:
    """Seconds, and bytes of memory, of one step in this process."""
    with tempfile.TemporaryDirectory(dir=where) as folder:
        step = STEPS[name](Path(folder), size)
        before = resident("VmRSS")
        try:
            Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
        except OSError:
            before = None
        began, spent = time.perf_counter(), sum(os.times()[:4])
        step()
        seconds, spent = time.perf_counter() - began, sum(os.times()[:4]) - spent
        peak, programs = resident("VmHWM"), 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        found = {"seconds": seconds, "CPU seconds": spent, "peak MB": max(peak, programs) / 1e6}
        return found if before is None else found | {"MB here": (peak - before) / 1e6}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--utterances", type=int, default=281241, help="entries (default 281,241: LibriSpeech's train)")
    parser.add_argument("--weights", type=float, default=1e9, help="weights (default 1e9)")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=list(STEPS), help="which steps (default all)")
    parser.add_argument("--limit", type=float, default=1.15, help="exponent that is taken for linear (default 1.15)")
    parser.add_argument("--where", help="folder for temporary files, 9 GB at full size (default: the system's)")
    parser.add_argument("--keep", type=Path, help="write the JSON object to this file too, after each step")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure[0], int(args.measure[1]), args.where)))
        return 0
    print(f"{'step':10s}{'size':>14s}{'seconds':>10s}{'CPU s':>10s}{'peak MB':>10s}{'of it here':>12s}{'growth':>8s}",
          flush=True)
    sizes = {"benchmark": "scaling", "utterances": args.utterances, "weights": int(args.weights)}
    found = kept(args.keep, sizes)
    for name in args.steps:
        found[name] = grow(name, args)
        having = [one for one in STEPS if one in found]
        bad = [one for one in having if worse(found[one], args.limit)]
        result = circumstances() | sizes | {"worse than linear": ", ".join(bad) or "none",
                                            "rows": [{"step": one, **row} for one in having for row in found[one]]}
        if args.keep:
            write_text(args.keep, json.dumps(result) + "\n")
    print(json.dumps(result))
    return 1 if bad else 0


def grow(name: str, args: argparse.Namespace) -> list[dict]:
    """Measure a step at each of its sizes, each in a process of its own, and print the lines."""
    whole = int(args.weights) if name in OF_WEIGHTS else args.utterances // (10 if name == "ledger" else 1)
    rows = []
    for part in PARTS.get(name, (8, 2, 1)):
        command = [sys.executable, __file__, "--measure", name, str(whole // part)]
        command += ["--where", args.where] if args.where else []
        row = {"size": whole // part, **json.loads(subprocess.check_output(command, text=True).splitlines()[-1])}
        if rows and part == PARTS.get(name, (1,))[-1]:
            row["growth"] = exponent(rows[-1], row)
        rows.append(row)
        here = f"{row['MB here']:.0f}" if "MB here" in row else "-"
        growth = f"{row['growth']:.2f}" if "growth" in row else ""
        print(f"{name:10s}{row['size']:14,d}{row['seconds']:10.2f}{row['CPU seconds']:10.2f}{row['peak MB']:10.0f}"
              f"{here:>12s}{growth:>8s}", flush=True)
    return rows


def exponent(small: dict, large: dict) -> float:
    """b of CPU seconds ~ size^b, between two measurements."""
    times = max(large["CPU seconds"], 0.01) / max(small["CPU seconds"], 0.01)
    return math.log(times) / math.log(large["size"] / small["size"])


def worse(rows: list[dict], limit: float) -> bool:
    """Whether a step that takes long enough to tell grows faster than ``limit`` allows."""
    return rows[-1]["growth"] > limit and rows[-1]["CPU seconds"] > 2


def kept(path: Path | None, head: dict) -> dict[str, list[dict]]:
    """The steps of a file that was kept of the same sizes."""
    before = read_json(path) if path and path.exists() else {}
    found: dict[str, list[dict]] = {}
    for row in before["rows"] if head.items() <= before.items() else ():
        found.setdefault(row["step"], []).append({key: value for key, value in row.items() if key != "step"})
    return {name: rows for name, rows in found.items() if name in STEPS}


if __name__ == "__main__":
    sys.exit(main())
