"""From wav files to text: ``audio-lottery transcribe`` against ESPnet's inference command, on one trained round.

Both are started as a user starts them, on the same files; the round is packed first. ESPnet's command searches a CTC
model token by token; "ESPnet, best path" is its networks in a loop that does nothing but take the best token of each
frame, as the engine does. "load" is the time for the shortest file alone, so that RTF, (time for all - load) / (seconds
of audio - those of that file), leaves out starting up; "audio" is how many seconds of audio a second of work does.
Memory is the peak of the process. Times are interleaved medians. The last line is JSON.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import soundfile
from engine_race import report

from audio_lottery.bin.transcribe import AUDIO

# A small process starts the command: the kernel counts the memory of who starts one as its own.
WATCH = """
import json, os, sys, time
out = os.open(os.devnull, os.O_WRONLY)
began = time.perf_counter()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, out, 1)])
_, status, usage = os.wait4(pid, 0)
print(json.dumps([time.perf_counter() - began, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status)]))
"""


def run(command: list[str], threads: int) -> tuple[float, float]:
    """Seconds and peak megabytes of a command, given by its whole path."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    done = subprocess.run([sys.executable, "-c", WATCH, *command], env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-500:])
    seconds, megabytes, status = json.loads(done.stdout)
    if status:
        sys.exit(f"{' '.join(command[:4])}: status {status}: {done.stderr[-500:]}")
    return seconds, megabytes


def listing(audio: list[Path], work: Path) -> Path:
    """A wav.scp of files."""
    path = work / f"{len(audio)}.scp"
    path.write_text("".join(f"u{n:05} {path.resolve()}\n" for n, path in enumerate(audio)))
    return path


def is_transducer(folder: Path) -> bool:
    """Is the round's model one of the asr_transducer task?"""
    from audio_lottery.espnet.tasks import resolve

    return resolve("auto", folder / "config.yaml") == "asr_transducer"


def espnet(folder: Path, audio: list[Path], work: Path, beam: int) -> list[str]:
    """ESPnet's command, as the toolkit calls it (it knows the toolkit's encoders too)."""
    name = "asr_transducer_inference" if is_transducer(folder) else "asr_inference"
    options = ["--asr_train_config", folder / "config.yaml", "--asr_model_file", model(folder),
               "--output_dir", tempfile.mkdtemp(dir=work), "--beam_size", beam, "--num_workers", 0, "--ngpu", 0,
               "--data_path_and_name_and_type", f"{listing(audio, work)},speech,sound"]  # fmt: skip
    if name == "asr_inference":
        options += ["--ctc_weight", 1.0]
    return [sys.executable, "-m", f"audio_lottery.bin.{name}", *map(str, options)]


def best_path(folder: Path, scp: str) -> None:
    """What the process of "ESPnet, best path" does."""
    import torch

    from audio_lottery.espnet.models import load_state, stock_model
    from audio_lottery.espnet.speech import read_speech

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    net = stock_model(folder, "asr").eval()
    net.load_state_dict(load_state(model(folder)))
    with torch.no_grad():
        for utterance, speech, length in read_speech(scp, "sound", "asr"):
            encoded = net.encode(speech, length)[0]
            best = torch.unique_consecutive(net.ctc.argmax(encoded)[0])
            print(utterance, *(net.token_list[token] for token in best.tolist() if token))


def model(folder: Path) -> Path:
    """The averaged model of a round."""
    from audio_lottery.export.folder import find_model

    return find_model(folder)


def files(names: list[Path], most: int) -> list[Path]:
    """Audio files and those in folders, at most ``most`` of them, evenly spaced."""
    found = [path for name in names for path in (sorted(name.rglob("*")) if name.is_dir() else [name])
             if path.suffix.lower() in AUDIO]  # fmt: skip
    if not found:
        sys.exit(f"{names[0]}: no audio files: give others")
    return [found[n * len(found) // most] for n in range(most)] if len(found) > most else found


def contestants(args: argparse.Namespace, ticket: Path, threads: int, work: Path) -> dict:
    """Name -> function that makes the command for some files."""
    ours = [sys.executable, "-m", "audio_lottery.bin.main", "transcribe", str(ticket), "--beam_size", str(args.beam),
            "--threads", str(threads)]  # fmt: skip
    made = {
        "engine": lambda audio: [*ours, *map(str, audio)],
        "engine, batches of 8": lambda audio: [*ours, "--batch_size", "8", *map(str, audio)],
        "engine, int8": lambda audio: [*ours, "--int8", "true", *map(str, audio)],
        "ESPnet": lambda audio: espnet(args.round, audio, work, args.beam),
    }
    if not is_transducer(args.round) and args.beam == 1:
        made["ESPnet, best path"] = lambda audio: [
            sys.executable, __file__, str(args.round), str(listing(audio, work)), "--best_path"]  # fmt: skip
    return made


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("round", type=Path, help="folder of a trained round")
    parser.add_argument("audio", type=Path, nargs="+", help="files at the model's sampling rate, or folders")
    parser.add_argument("--most", type=int, default=200, help="take so many files (default 200)")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--beam", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--best_path", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.best_path:
        return best_path(args.round, str(args.audio[0]))
    lengths = {path: soundfile.info(path).duration for path in files(args.audio, args.most)}
    shortest, rows = min(lengths, key=lengths.get), []
    rest = sum(lengths.values()) - lengths[shortest]
    if rest <= 0:
        sys.exit(f"{shortest}: one file only: give several, whose time can be told from that of starting up")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        ticket = work / "model.ticket"
        pack = [sys.executable, "-m", "audio_lottery.bin.main", "pack", str(args.round), str(ticket)]
        subprocess.run(pack, check=True, stdout=subprocess.DEVNULL)
        for threads in args.threads:
            commands = contestants(args, ticket, threads, work)
            taken = {name: [] for name in commands}
            for _ in range(args.turns):
                for name, command in commands.items():
                    load, _ = run(command([shortest]), threads)
                    taken[name].append((load, *run(command(list(lengths)), threads)))
            for name, values in taken.items():
                load, seconds, megabytes = map(statistics.median, zip(*values, strict=True))
                rtf = statistics.median((each[1] - each[0]) / rest for each in values)
                rows.append({"command": name, "threads": threads, "load s": load, "all s": seconds, "RTF": rtf,
                             "audio": 1 / rtf, "peak MB": megabytes})  # fmt: skip
        about = describe(args.round, ticket)
    report(rows, **about, audio_seconds=round(rest + lengths[shortest], 1), files=len(lengths), beam=args.beam)


def describe(folder: Path, ticket: Path) -> dict:
    """The model in a few words."""
    from audio_lottery.export import summary, ticket_file
    from audio_lottery.fileio import read_yaml
    from audio_lottery.report.recipe import backbone

    sizes = summary.summarise(ticket_file.open_reader(ticket))
    return {"model": backbone(read_yaml(folder / "config.yaml")), "weights": sizes["weights"],
            "density": round(sizes["density_whole"], 3)}  # fmt: skip


if __name__ == "__main__":
    main()
