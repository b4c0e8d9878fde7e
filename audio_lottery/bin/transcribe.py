"""Turn speech into text with a ticket file, without torch and without ESPnet.

CTC models: greedy, or prefix beam search with an optional n-gram model over the model's tokens. RNN transducers:
greedy, or ESPnet's time-synchronous or default beam search. With --stream true the text grows while the audio comes,
for models that can work so; from a microphone for instance:
arecord -f S16_LE -r 16000 -t raw | audio-lottery transcribe model.ticket - --stream true --rate 16000
"""

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
PIECE = 0.1  # seconds of audio between two looks at a stream


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The model, what to transcribe, and how to search and print."""
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
    search = parser.add_argument_group("search")
    search.add_argument("--beam_size", type=int, default=1, help="hypotheses kept; 1 is greedy")
    search.add_argument("--search_type", choices=("tsd", "default"), default="tsd", help="of a transducer, as ESPnet's")
    search.add_argument("--ngram", type=Path, help="n-gram model over the model's tokens, for CTC: ARPA or KenLM's")
    search.add_argument("--ngram_weight", type=float, default=0.5, help="its weight (times log10), as ESPnet's")
    search.add_argument("--penalty", type=float, default=0.0, help="added for every token, as ESPnet's; for CTC")
    stream = parser.add_argument_group("streaming")
    stream.add_argument("--stream", type=cli.str2bool, default=False, help="recognise while the audio comes; on stdin "
                        "it is raw 16-bit mono. Text so far goes to stderr, with json to stdout")  # fmt: skip
    stream.add_argument("--rate", type=int, help="sampling rate of a stream on stdin in Hz; default: the model's")
    stream.add_argument("--left_context", type=int, default=32, help="encoder frames attention sees before a chunk")


def run(args: argparse.Namespace) -> int:
    """Transcribe one file after the other; a bad one is reported and the rest still done."""
    from audio_lottery.engine.recogniser import Recogniser

    for name, least in (("threads", 1), ("beam_size", 1), ("left_context", 0)):
        if getattr(args, name) < least:
            raise LotteryError(f"--{name} {getattr(args, name)}: give {least} or more")
    left = args.left_context if args.stream else None
    recogniser = Recogniser.load(args.ticket, int8=args.int8, threads=args.threads, left=left)
    decoding = _decoding(args, recogniser)
    files = list(_files(args.audio))
    failed = 0
    for name in files:
        began = time.perf_counter()
        try:
            if args.stream:
                tokens, seconds = _stream(recogniser, decoding, name, args)
            else:
                samples, rate = _read(name, args.channel)
                tokens, seconds = recogniser.transcribe(samples, rate, decoding), len(samples) / rate
        except LotteryError as error:
            failed += 1
            text = str(error) if str(error).startswith(name) else f"{name}: {error}"
            print(f"audio-lottery transcribe: error: {text}", file=sys.stderr)
            continue
        took = time.perf_counter() - began
        _print(recogniser, name, tokens, args.format, len(files) > 1, seconds, took)
    return 1 if failed else 0


def _decoding(args: argparse.Namespace, recogniser):
    from audio_lottery.engine import language_model
    from audio_lottery.engine.prefix_beam import Fusion
    from audio_lottery.engine.recogniser import Decoding

    fusion = None
    if args.ngram or args.penalty:
        if args.beam_size == 1:
            raise LotteryError("--beam_size 1: an n-gram model or a penalty needs a beam: give --beam_size 10, say")
        model = language_model.read(args.ngram, recogniser.tokens) if args.ngram else None
        fusion = Fusion(model, args.ngram_weight, args.penalty)
    decoding = Decoding(args.beam_size, args.search_type, fusion)
    recogniser.decoder(decoding)  # refuses what does not fit before the first file
    return decoding


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


def _stream(recogniser, decoding, name: str, args: argparse.Namespace):
    """Tokens and length in seconds of a file, or of what comes on stdin until it ends."""
    stream, heard, shown = recogniser.stream(decoding), 0, ""
    own = recogniser.frontend.rate if recogniser.frontend else 0
    rate, pieces = (args.rate or own, _microphone(args.rate or own)) if name == "-" else _pieces(name, args.channel)
    for piece in pieces:
        heard += len(piece)
        text = recogniser.text(stream.accept(piece, rate))
        if text != shown:
            shown = text
            _partial(text, heard / rate, args.format)
    if sys.stderr.isatty() and args.format != "json":
        print("\r\033[K", end="", file=sys.stderr)
    return stream.accept([], rate, last=True), heard / rate


def _pieces(name: str, channel: str | None):
    samples, rate = _read(name, channel)
    step = max(1, int(PIECE * rate))
    return rate, (samples[first : first + step] for first in range(0, len(samples), step))


def _microphone(rate: int):
    """Raw 16-bit little-endian samples from stdin as they come."""
    import numpy as np

    odd = b""
    while data := sys.stdin.buffer.read1(max(2, int(PIECE * rate) * 2)):
        data = odd + data
        odd = data[len(data) // 2 * 2 :]
        yield np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) / 32768


def _partial(text: str, seconds: float, form: str) -> None:
    if form == "json":
        print(json.dumps({"partial": text, "seconds": round(seconds, 3)}, ensure_ascii=False), flush=True)
    else:
        ends = ("\r\033[K", "") if sys.stderr.isatty() else ("", "\n")
        print(f"{ends[0]}{text}", end=ends[1], file=sys.stderr, flush=True)


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
