"""From wav files to text: ``audio-lottery transcribe`` against ESPnet's inference command, on one trained round.

Both are started as a user starts them, on the same files, with greedy or nearly greedy search; the round is packed
first. "load" is the time for the shortest file alone, so that RTF, (time for all - load) / (seconds of audio - those of
that file), leaves out starting up. Memory is the peak of the process. Times are interleaved medians. The last line is
JSON.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import soundfile
from engine_race import report


def run(command: list[str], threads: int) -> tuple[float, float]:
    """Seconds and peak megabytes of a command."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    with tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{' '.join(command[:4])}: status {process.returncode}: {errors.read().decode()[-500:]}")
    return seconds, usage.ru_maxrss / 1024


def espnet(folder: Path, audio: list[Path], work: Path, beam: int) -> list[str]:
    """ESPnet's command, as the toolkit calls it (it knows the toolkit's encoders too)."""
    name = "asr_transducer_inference" if "body_conf" in (folder / "config.yaml").read_text() else "asr_inference"
    listing, out = work / f"{len(audio)}.scp", tempfile.mkdtemp(dir=work)
    listing.write_text("".join(f"u{n:05} {path.resolve()}\n" for n, path in enumerate(audio)))
    options = ["--asr_train_config", folder / "config.yaml", "--asr_model_file", model(folder), "--output_dir", out,
               "--data_path_and_name_and_type", f"{listing},speech,sound", "--beam_size", beam,
               "--num_workers", 0, "--ngpu", 0]  # fmt: skip
    if name == "asr_inference":
        options += ["--ctc_weight", 1.0]
    return [sys.executable, "-m", f"audio_lottery.bin.{name}", *map(str, options)]


def model(folder: Path) -> Path:
    """The averaged model of a round."""
    from audio_lottery.export.folder import find_model

    return find_model(folder)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("round", type=Path, help="folder of a trained round")
    parser.add_argument("audio", type=Path, nargs="+", help="wav files at the model's sampling rate")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5)
    args = parser.parse_args()
    lengths = {path: soundfile.info(path).duration for path in args.audio}
    shortest, rows = min(lengths, key=lengths.get), []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        ours = [sys.executable, "-m", "audio_lottery.bin.main"]
        ticket = work / "model.ticket"
        subprocess.run([*ours, "pack", args.round, ticket], check=True, stdout=subprocess.DEVNULL)
        for threads in args.threads:
            def command(files: list[Path], *more: str, threads: int = threads) -> list[str]:
                return [*ours, "transcribe", str(ticket), *map(str, files), "--beam_size", str(args.beam),
                        "--threads", str(threads), *more]  # fmt: skip

            contestants = {
                "engine": [command([shortest]), command(args.audio)],
                "engine int8": [command([shortest], "--int8", "true"), command(args.audio, "--int8", "true")],
                "ESPnet": [espnet(args.round, files, work, args.beam) for files in ([shortest], args.audio)],
            }
            taken = {name: ([], [], []) for name in contestants}
            for _ in range(args.turns):
                for name, (one, everything) in contestants.items():
                    load, _ = run(one, threads)
                    seconds, megabytes = run(everything, threads)
                    for values, value in zip(taken[name], (load, seconds, megabytes), strict=True):
                        values.append(value)
            audio = sum(lengths.values())
            for name, values in taken.items():
                load, seconds, megabytes = map(statistics.median, values)
                rows.append({"command": name, "threads": threads, "load s": load, "all s": seconds,
                             "RTF": (seconds - load) / max(audio - lengths[shortest], 1e-9), "peak MB": megabytes})
    report(rows, audio_seconds=sum(lengths.values()), files=len(lengths), beam=args.beam)


if __name__ == "__main__":
    main()
