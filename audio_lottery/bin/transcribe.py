"""Turn speech into text with a ticket file, without torch and without ESPnet (greedy CTC)."""

import argparse
import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError

AUDIO = (".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff", ".aif", ".au", ".sph")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, what to transcribe, and how to print it."""
    parser.add_argument("ticket", type=Path, help="ticket file")
    parser.add_argument("audio", nargs="+", help="audio files, folders of them, or - for one on stdin")
    parser.add_argument(
        "--format", choices=("text", "json", "ctm"), default="text", help="json and ctm have times in seconds"
    )
    parser.add_argument("--threads", type=int, default=1, help="processor cores for one file")
    parser.add_argument(
        "--int8", type=cli.str2bool, default=False, help="compute with 8 bits: faster, a little less exact"
    )
    parser.add_argument("--channel", default=None, help='which channel of several, or "mix"')


def run(args: argparse.Namespace) -> int:
    """Transcribe one file after the other; a bad one is reported and the rest still done."""
    from audio_lottery.engine.recogniser import Recogniser

    recogniser = Recogniser.load(args.ticket, int8=args.int8, threads=args.threads)
    files = list(_files(args.audio))
    failed = 0
    for name in files:
        began = time.perf_counter()
        try:
            samples, rate = _read(name, args.channel)
            tokens = recogniser.transcribe(samples, rate)
        except LotteryError as error:
            failed += 1
            text = str(error) if str(error).startswith(name) else f"{name}: {error}"
            print(f"audio-lottery transcribe: error: {text}", file=sys.stderr)
            continue
        seconds = time.perf_counter() - began
        _print(recogniser, name, tokens, args.format, len(files) > 1, len(samples) / rate, seconds)
    return 1 if failed else 0


def _files(names: list[str]) -> Iterator[str]:
    for name in names:
        if name != "-" and Path(name).is_dir():
            found = sorted(path for path in Path(name).rglob("*") if path.suffix.lower() in AUDIO)
            if not found:
                raise LotteryError(f"{name}: no audio files in this folder: give another one")
            yield from map(str, found)
        else:
            yield name


def _read(name: str, channel: str | None):
    """Mono samples in [-1, 1] and their rate."""
    from audio_lottery.data import audio

    if name != "-":
        samples, rate = audio.read(name)
        return audio.to_mono(samples, channel, name), rate
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(sys.stdin.buffer.read()), dtype="float32", always_2d=True)
    except soundfile.SoundFileError as error:
        raise LotteryError(f"-: stdin is not audio ({error}): pipe a whole wav or flac file") from None
    return audio.to_mono(samples, channel, "-"), rate


def _print(recogniser, name: str, tokens, form: str, several: bool, seconds: float, took: float) -> None:
    words = recogniser.words(tokens)
    text = " ".join(word.text for word in words)
    if form == "text":
        print(f"{name} {text}".rstrip() if several else text, flush=True)
    elif form == "ctm":
        utterance = "stdin" if name == "-" else Path(name).stem
        for word in words:
            print(f"{utterance} 1 {word.start:.2f} {word.end - word.start:.2f} {word.text}", flush=True)
    else:
        row = {"file": name, "text": text, "seconds": round(seconds, 3), "took": round(took, 4)}
        row["words"] = [
            {"word": w.text, "start": round(w.start, 3), "end": round(w.end, 3), "log_prob": round(w.score, 4)}
            for w in words
        ]
        print(json.dumps(row, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
