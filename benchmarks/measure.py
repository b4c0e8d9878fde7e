"""Run the engine's benchmarks, one after the other on an otherwise idle machine, keep what they print in
benchmarks/results/NAME.jsonl, and render benchmarks/RESULTS.md and RESULTS.md.

    python benchmarks/measure.py [--round exp/TAG/round_08 --audio FOLDER] [--only engine_lstm ...]

transcribe_speed runs where --round is given; what it said of other rounds stays. A benchmark that fails is said, and
what was kept of it stays.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from audio_lottery.bin import cli, results
from audio_lottery.fileio import read_jsonl, write_jsonl

HERE = Path(__file__).resolve().parent
NAMES = ("import_time", "engine_kernels", "engine_encoder", "engine_lstm", "transcribe_speed")


def last_object(text: str) -> str | None:
    """The last line, where it is a JSON object."""
    line = next(reversed(text.splitlines()), "")
    try:
        return line if isinstance(json.loads(line), dict) else None
    except json.JSONDecodeError:
        return None


def keep(path: Path, found: dict) -> None:
    """Write what was found; what other commands found (on other rounds) stays."""
    others = [one for one in read_jsonl(path) if one.get("command") != found["command"]] if path.exists() else []
    write_jsonl(path, [*others, found])


def measure(name: str, words: list[str], folder: Path) -> bool:
    """Run a benchmark, show what it prints, and keep its last line in ``folder``."""
    began, lines = time.monotonic(), []
    command = [sys.executable, str(HERE / f"{name}.py"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:
        for line in process.stdout:
            lines.append(line)
            if not line.startswith("{"):
                print(line, end="", flush=True)
    found = None if process.returncode else last_object("".join(lines))
    if found:
        keep(folder / f"{name}.jsonl", json.loads(found))
    state = "kept" if found else f"failed, status {process.returncode}"
    print(f"{name}: {state}, {time.monotonic() - began:.0f} s\n", flush=True)
    return found is not None


def main() -> int:
    """Measure and render."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--round", help="folder of a trained round, for transcribe_speed")
    parser.add_argument("--audio", nargs="+", default=[], help="for transcribe_speed: files, or folders of them")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, help="which benchmarks (default all)")
    args = parser.parse_args()
    if bool(args.round) != bool(args.audio):
        parser.error("--round and --audio go together")
    well = True
    for name in args.only:
        if name == "transcribe_speed" and not args.round:
            print("transcribe_speed: left out: give --round and --audio\n", flush=True)
            continue
        words = [args.round, *args.audio] if name == "transcribe_speed" else []
        well &= measure(name, words, HERE / "results")
    return cli.main(results, ["--root", str(HERE.parent)]) or int(not well)


if __name__ == "__main__":
    sys.exit(main())
