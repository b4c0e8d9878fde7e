"""Speech from eSpeak NG (the library that ``espeakng_loader`` brings), the same bytes every time.

The library keeps state between utterances (phase, echo) and seeds its noise from the clock. So each
utterance is made in a child forked from a process that has not spoken yet, with a set seed. The
forks happen in a helper, ``python -m audio_lottery.data.espeak``, which has no threads.
"""

import ctypes
import dataclasses
import json
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from audio_lottery.errors import LotteryError

RETRIEVAL = 2  # AUDIO_OUTPUT_SYNCHRONOUS: samples go to the callback before espeak_Synth returns
DONT_EXIT = 0x8000
RATE, PITCH = 1, 3  # espeak_PARAMETER
UTF8 = 1


@dataclasses.dataclass(frozen=True)
class Speech:
    """One utterance: eSpeak voice ("en-us+m3"), text, words a minute, pitch 0..99, noise seed."""

    voice: str
    text: str
    rate: int = 175
    pitch: int = 50
    seed: int = 0


def synthesise(jobs: list[Speech]) -> Iterator[tuple[np.ndarray, int]]:
    """Yield int16 samples [frames] and their rate (Hz) for every job, in order.

    Raises:
        LotteryError: eSpeak is not installed, or refuses a voice or a text.
    """
    package = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    # The jobs go through a file, not a pipe: nothing to wait for, and no broken pipe.
    with tempfile.TemporaryFile() as request:
        request.write(json.dumps([dataclasses.astuple(job) for job in jobs]).encode())
        request.seek(0)
        command = [sys.executable, "-P", "-m", "audio_lottery.data.espeak"]
        environment = {**os.environ, "PYTHONPATH": path}
        with subprocess.Popen(command, stdin=request, stdout=subprocess.PIPE, env=environment) as helper:
            try:
                for job in jobs:
                    yield _receive(helper.stdout, job)
            finally:
                helper.kill()


def _receive(stream, job: Speech) -> tuple[np.ndarray, int]:
    head = stream.read(9)
    if len(head) < 9:
        raise LotteryError(f"eSpeak NG stopped at '{job.text}' with voice {job.voice}: see the lines above")
    failed, rate, size = struct.unpack("<BII", head)
    body = stream.read(size)
    if failed:
        raise LotteryError(body.decode())
    return np.frombuffer(body, dtype="<i2"), rate


def _main() -> None:
    """Speak the jobs on stdin; for each, write (failed, rate, size) and samples or a message."""
    jobs = [Speech(*job) for job in json.load(sys.stdin)]
    out = sys.stdout.buffer
    for job in jobs:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            _speak_and_exit(job, reader, writer)
        os.close(writer)
        with open(reader, "rb") as stream:
            answer = stream.read()
        os.waitpid(child, 0)
        out.write(answer or _failure(f"eSpeak NG crashed at '{job.text}' with voice {job.voice}"))
        out.flush()


def _speak_and_exit(job: Speech, reader: int, writer: int) -> None:
    try:
        os.close(reader)
        try:
            samples, rate = _speak(job)
            answer = struct.pack("<BII", 0, rate, len(samples)) + samples
        except LotteryError as error:
            answer = _failure(str(error))
        with open(writer, "wb") as stream:
            stream.write(answer)
    finally:
        os._exit(0)


def _failure(message: str) -> bytes:
    body = message.encode()
    return struct.pack("<BII", 1, 0, len(body)) + body


def _speak(job: Speech) -> tuple[bytes, int]:
    try:
        import espeakng_loader

        library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
    except (ImportError, OSError) as error:
        raise LotteryError(f"eSpeak NG cannot be loaded ({error}): pip install espeakng-loader") from None
    folder = Path(espeakng_loader.get_data_path())
    variant = job.voice.partition("+")[2]
    # An unknown variant is accepted silently, so it is looked up here.
    if variant and not (folder / "voices" / "!v" / variant).is_file():
        raise LotteryError(f"eSpeak NG has no voice variant '{variant}': see {folder / 'voices/!v'}")
    rate = library.espeak_Initialize(RETRIEVAL, 0, str(folder).encode(), DONT_EXIT)
    if rate <= 0:
        raise LotteryError(f"eSpeak NG found no data in {folder}: reinstall espeakng-loader")
    chunks: list[bytes] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def collect(samples, count, events):
        if samples and count > 0:
            chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    library.espeak_SetSynthCallback(collect)
    library.espeak_ng_SetRandSeed(ctypes.c_long(job.seed))
    text = ctypes.create_string_buffer(job.text.encode())
    calls = (
        ("voice", lambda: library.espeak_SetVoiceByName(job.voice.encode())),
        ("rate", lambda: library.espeak_SetParameter(RATE, job.rate, 0)),
        ("pitch", lambda: library.espeak_SetParameter(PITCH, job.pitch, 0)),
        ("text", lambda: library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 1, 0, UTF8, None, None)),
        ("text", library.espeak_Synchronize),
    )
    for what, call in calls:
        status = call()
        if status != 0:
            raise LotteryError(f"eSpeak NG refused the {what} of {job} (status {status}): correct it")
    return b"".join(chunks), rate


if __name__ == "__main__":
    _main()
