"""Turn speech into text with a ticket file, without torch and without ESPnet.

CTC models: greedy, or prefix beam search. RNN transducers: greedy, or ESPnet's time-synchronous or default beam search.
Beam searches may use an n-gram model over the model's tokens. With --stream true the text grows while the audio comes,
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
    parser.add_argument("--batch_size", type=int, default=1, help="files worked on together: faster for short ones")
    parser.add_argument(
        "--int8", type=cli.str2bool, default=False, help="compute with 8 bits: faster, a little less exact"
    )
    parser.add_argument("--channel", default=None, help='which channel of several, or "mix"')
    search = parser.add_argument_group("search")
    search.add_argument("--beam_size", type=int, default=1, help="hypotheses kept; 1 is greedy")
    search.add_argument("--search_type", choices=("tsd", "default"), default="tsd", help="of a transducer, as ESPnet's")
    search.add_argument("--ngram", type=Path, help="n-gram model over the model's tokens: ARPA or KenLM's")
    search.add_argument("--ngram_weight", type=float, default=0.5, help="its weight (times log10), as ESPnet's")
    search.add_argument("--penalty", type=float, default=0.0, help="added for every token, as ESPnet's")
    stream = parser.add_argument_group("streaming")
    stream.add_argument("--stream", type=cli.str2bool, default=False, help="recognise while the audio comes; on stdin "
                        "it is raw 16-bit mono. Text so far goes to stderr, with json to stdout")  # fmt: skip
    stream.add_argument("--rate", type=int, help="sampling rate of a stream on stdin in Hz; default: the model's")
    stream.add_argument("--left_context", type=int, default=32, help="encoder frames attention sees before a chunk")


def run(args: argparse.Namespace) -> int:
    """Transcribe one file after the other; a bad one is reported and the rest still done."""
    from audio_lottery.engine.recogniser import Recogniser

    for name, least in (("threads", 1), ("batch_size", 1), ("beam_size", 1), ("left_context", 0)):
        if getattr(args, name) < least:
            raise LotteryError(f"--{name} {getattr(args, name)}: give {least} or more")
    left = args.left_context if args.stream else None
    recogniser = Recogniser.load(args.ticket, int8=args.int8, threads=args.threads, left=left)
    decoding = _decoding(args, recogniser)
    if args.stream and args.batch_size > 1:
        raise LotteryError(f"--batch_size {args.batch_size}: a stream is one at a time: leave out --stream")
    files = list(_files(args.audio))
    failed = 0
    for first in range(0, len(files), args.batch_size):
        began = time.perf_counter()
        names = files[first : first + args.batch_size]
        heard = _heard(recogniser, decoding, names, args)
        took = (time.perf_counter() - began) / len(names)
        for name, result in zip(names, heard, strict=True):
            if isinstance(result, LotteryError):
                failed += 1
                text = str(result) if str(result).startswith(name) else f"{name}: {result}"
                print(f"audio-lottery transcribe: error: {text}", file=sys.stderr)
            else:
                _print(recogniser, name, *result, args.format, len(files) > 1, took)
    return 1 if failed else 0


def _heard(recogniser, decoding, names: list[str], args: argparse.Namespace) -> list:
    """For each file its tokens and its length in seconds, or the error that says what is wrong with it."""
    heard: list = []
    for name in names:
        try:
            if args.stream:
                heard.append(_stream(recogniser, decoding, name, args))
                continue
            samples, rate = _read(name, args.channel)
            features = recogniser.features(samples, rate)
            recogniser.check_length(features)
            heard.append((features, len(samples) / rate))
        except LotteryError as error:
            heard.append(error)
    sound = [] if args.stream else [i for i, one in enumerate(heard) if not isinstance(one, LotteryError)]
    found = _tokens(recogniser, decoding, [heard[i][0] for i in sound])
    for i, tokens in zip(sound, found, strict=True):
        heard[i] = tokens if isinstance(tokens, LotteryError) else (tokens, heard[i][1])
    return heard


def _tokens(recogniser, decoding, batch: list) -> list:
    try:
        return recogniser.transcribe_batch(batch, decoding) if batch else []
    except LotteryError as error:  # the memory does not hold them together
        return [error] if len(batch) == 1 else [_tokens(recogniser, decoding, [one])[0] for one in batch]


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


def _print(recogniser, name: str, tokens, seconds: float, form: str, several: bool, took: float) -> None:
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
