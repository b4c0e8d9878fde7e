"""Audio files through soundfile: probed for damage, read as mono float32, written as PCM16."""

import dataclasses
import io
import os
import re
from pathlib import Path

import numpy as np
import soundfile

from audio_lottery.errors import LotteryError

RESTORE = "restore it or remove the utterance"
LENGTHS = re.compile(r"^ ?(?:data|SSND|riff|  Data Size|  Riff size) +: (\d+) \(should be (\d+)\)", re.M)
UNKNOWN = 0x7FFFF000  # programs that write to a pipe cannot know the length and leave a huge one


@dataclasses.dataclass(frozen=True)
class AudioInfo:
    """What a file's header says: frames per channel, frames per second, channels, container."""

    frames: int
    rate: int
    channels: int
    format: str

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.frames / self.rate


def probe(path: str | Path, where: str = "") -> AudioInfo:
    """Check that a file holds whole, readable audio and return its header.

    Args:
        path: the audio file.
        where: ``file:line`` that names it, put in front of an error.

    Raises:
        LotteryError: missing, empty, unreadable or truncated audio.
    """
    prefix = f"{where}: " if where else ""
    path = Path(path)
    if not path.is_file():
        state = "is a folder, not an audio file" if path.is_dir() else "no such audio file"
        raise LotteryError(f"{prefix}{path}: {state}: correct the path or restore the file")
    size = path.stat().st_size
    if size == 0:
        raise LotteryError(f"{prefix}{path}: empty file (0 bytes): {RESTORE}")
    try:
        with soundfile.SoundFile(path) as stream:
            info = AudioInfo(stream.frames, stream.samplerate, stream.channels, stream.format)
            missing = _missing_bytes(path, size, stream.format, stream.extra_info)
            whole = missing <= 0 and _last_frame_is_there(stream)
    except (soundfile.SoundFileError, OSError) as error:
        if _is_shorten(path):
            raise LotteryError(f"{prefix}{path}: NIST sphere compressed by shorten, which is not read here: convert "
                               "it to wav with sph2pipe, or sox") from None
        raise LotteryError(f"{prefix}{path}: unreadable audio ({_reason(error)}): replace it") from None
    if not whole:
        raise LotteryError(f"{prefix}{path}: truncated audio, its header says more: {RESTORE}")
    if info.frames == 0:
        raise LotteryError(f"{prefix}{path}: no samples in the audio: {RESTORE}")
    return info


def read(
    path: str | Path, start: int = 0, stop: int | None = None, where: str = ""
) -> tuple[np.ndarray, int]:
    """Read frames [start, stop) as float32 [frames, channels] and the rate; checks as :func:`probe`."""
    prefix = f"{where}: " if where else ""
    info = probe(path, where)
    stop = info.frames if stop is None else min(stop, info.frames)
    try:
        with soundfile.SoundFile(path) as stream:
            rate = stream.samplerate
            # libsndfile 1.2 lands beside the place sought in the last pages of a Vorbis stream: read up to it instead.
            skipped = start if stream.subtype == "VORBIS" else 0
            stream.seek(start - skipped)
            samples = stream.read(skipped + stop - start, dtype="float32", always_2d=True)[skipped:]
    except (soundfile.SoundFileError, OSError) as error:
        raise LotteryError(f"{prefix}{path}: unreadable audio ({_reason(error)}): replace it") from None
    if len(samples) != stop - start:
        raise LotteryError(f"{prefix}{path}: truncated audio: {RESTORE}")
    return samples, rate


def to_mono(samples: np.ndarray, channel: str | None, name: str) -> np.ndarray:
    """[frames, channels] -> [frames]: one channel (counted from 1), or their mean for "mix".

    Raises:
        LotteryError: several channels and none chosen, or a channel that is not there.
    """
    channels = samples.shape[1]
    if channel == "mix":
        return samples.mean(axis=1)
    if channel is None:
        if channels > 1:
            raise LotteryError(f"{name}: {channels} channels: choose one with --channel 1, or --channel mix")
        return samples[:, 0]
    if int(channel) > channels:
        raise LotteryError(f"{name}: no channel {channel} among {channels}: give a --channel that is there")
    return samples[:, int(channel) - 1]


def resample(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """Resample mono samples [frames] from one rate (Hz) to another, with soxr's high quality."""
    import soxr

    return samples if rate == target else soxr.resample(samples, rate, target, quality="HQ")


def quantise(samples: np.ndarray) -> np.ndarray:
    """Floats in [-1, 1] -> int16, clipped; int16 stays as it is."""
    if samples.dtype == np.int16:
        return samples
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)


def write(path: str | Path, samples: np.ndarray, rate: int, container: str = "wav") -> None:
    """Write mono samples [frames] as 16-bit ``wav`` or ``flac`` under a temporary name, then rename.

    Not fsynced: two a file take minutes on a corpus. Who writes many calls ``os.sync()`` once, before
    the tables that name them. The bytes are made in memory, so a full disk is an OSError that says so.
    """
    buffer = io.BytesIO()
    soundfile.write(buffer, quantise(samples), rate, format=container.upper(), subtype="PCM_16")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        temporary.write_bytes(buffer.getvalue())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return str(text).strip().rstrip(".").lower()


def _is_shorten(path: Path) -> bool:
    """Whether this is a sphere file of the old compressed kind, as the LDC's first releases are."""
    with open(path, "rb") as stream:
        head = stream.read(1024)
    return head.startswith(b"NIST_1A") and b"shorten" in head


def _last_frame_is_there(stream: soundfile.SoundFile) -> bool:
    """Whether a compressed stream still holds the last of the frames its header promises."""
    if stream.frames == 0:
        return True
    try:
        stream.seek(stream.frames - 1)
        return len(stream.read(1)) == 1
    except soundfile.SoundFileError:
        return False


def _missing_bytes(path: Path, size: int, container: str, log: str) -> int:
    """Bytes that a header promises beyond the end of the file.

    libsndfile reads a file cut short as if it were whole. It notes the difference in its log for
    WAV, AIFF, AU, W64 and RF64; the headers of Ogg and NIST sphere are read here.
    """
    if container in ("OGG", "NIST"):
        with open(path, "rb") as stream:
            return _missing_ogg(stream, size) if container == "OGG" else _missing_nist(stream, size)
    return max((int(said) - int(is_) for said, is_ in LENGTHS.findall(log) if int(said) < UNKNOWN), default=0)


def _missing_nist(stream, size: int) -> int:
    """The header is text: a line NIST_1A, its own length, then "name -i value" lines."""
    fields = stream.read(1024).decode("latin-1").split("\n")
    header = int(fields[1])
    value = {name: int(number) for name, number in re.findall(r"(\w+) -i (\d+)", "\n".join(fields))}
    frame = value.get("channel_count", 1) * value.get("sample_n_bytes", 2)
    return header + value.get("sample_count", 0) * frame - size


def _missing_ogg(stream, size: int) -> int:
    tail = min(size, 1 << 17)  # a page has at most 65,307 bytes
    stream.seek(-tail, os.SEEK_END)
    data = stream.read(tail)
    page = data.rfind(b"OggS")
    if page < 0 or page + 27 > len(data):
        return 1
    count = data[page + 26]
    table = data[page + 27 : page + 27 + count]
    return max(page + 27 + count + sum(table) - len(data), count - len(table))
