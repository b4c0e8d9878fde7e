"""Models packed by ``espnet2.bin.pack``, read in place: nothing is extracted, linked to or executed."""

import tarfile
import zipfile
import zlib
from collections.abc import Mapping
from lzma import LZMAError
from pathlib import Path
from typing import Any

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import parse_yaml

# Endings that espnet2.bin.pack writes, with the mode that reads each.
TAR = {".tar": "r:", ".tgz": "r:gz", ".tar.gz": "r:gz", ".tbz2": "r:bz2", ".tar.bz2": "r:bz2", ".txz": "r:xz",
       ".tar.xz": "r:xz"}
MAX_TEXT = 64 << 20
# A compressed tar must be unpacked to reach its last file; one with a language model is larger than a model.
MAX_TOTAL = 64 << 30


def is_packed(path: Path) -> bool:
    """Whether a file's name ends as espnet2.bin.pack's archives do."""
    return path.name.endswith((".zip", *TAR))


def read_packed(path: Path, limit: int) -> tuple[dict[str, Any], bytes]:
    """The training configuration and the bytes of the model of a packed ASR model.

    limit: bytes that the model may have. Anything that isn't such an archive is a :class:`LotteryError`.
    """
    try:
        if path.name.endswith(".zip"):
            return _contents(path, _unzip(path, limit))
        return _contents(path, _untar(path, limit))
    except (OSError, EOFError, RuntimeError, zipfile.BadZipFile, tarfile.TarError, zlib.error, LZMAError,
            NotImplementedError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise LotteryError(f"{path}: damaged or no packed model ({reason}): pack it again") from None


def _contents(path: Path, files) -> tuple[dict[str, Any], bytes]:
    """files: (want) -> name -> bytes of those of its names that ``want`` chooses."""
    meta = _yaml(path, files(lambda name: name == "meta.yaml"), "meta.yaml")
    config, model = (_named(path, meta, *keys) for keys in (("yaml_files", "asr_train_config"),
                                                            ("files", "asr_model_file")))
    found = files(lambda name: name in (config, model))
    if model not in found:
        raise LotteryError(f"{path}: {model} of meta.yaml is not in it: pack the model again")
    return _yaml(path, found, config), found[model]


def _named(path: Path, meta: Mapping[str, Any], kind: str, key: str) -> str:
    names = meta.get(kind)
    name = names.get(key) if isinstance(names, dict) else None
    if not isinstance(name, str):
        raise LotteryError(f"{path}: meta.yaml names no {key}: give a model packed by 'espnet2.bin.pack asr'")
    return name.lstrip("/")  # as both kinds of archives keep names


def _yaml(path: Path, files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    if name not in files:
        raise LotteryError(f"{path}: has no {name}: give a model packed by espnet2.bin.pack")
    try:
        values = parse_yaml(name, files[name].decode())
    except (LotteryError, UnicodeDecodeError):
        values = None
    if not isinstance(values, dict):
        raise LotteryError(f"{path}: {name} is not a YAML mapping: pack the model again")
    return values


def _checked(path: Path, name: str, size: int, limit: int) -> None:
    """Refuse what claims to be larger than it can be, before it is unpacked."""
    allowed = MAX_TEXT if name.endswith((".yaml", ".yml")) else limit
    if size > allowed:
        raise LotteryError(f"{path}: {name} has {size} bytes, at most {allowed} fit this model: take the training "
                           "configuration that it was made with")


def _unzip(path: Path, limit: int):
    def files(want) -> dict[str, bytes]:
        found = {}
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if want(info.filename) and info.filename not in found:
                    _checked(path, info.filename, info.file_size, limit)
                    with archive.open(info) as stream:  # reads no more than file_size
                        found[info.filename] = stream.read()
        return found

    return files


def _untar(path: Path, limit: int):
    mode = next(mode for ending, mode in TAR.items() if path.name.endswith(ending))

    def files(want) -> dict[str, bytes]:
        found, total = {}, 0
        with tarfile.open(path, mode) as archive:
            for info in archive:
                total += info.size
                if total > MAX_TOTAL:
                    raise LotteryError(f"{path}: unpacks to more than {MAX_TOTAL >> 30} GiB: no model is so large")
                if want(info.name) and info.name not in found:
                    if not info.isreg():
                        raise LotteryError(f"{path}: {info.name} is no plain file: pack the model again")
                    _checked(path, info.name, info.size, limit)
                    found[info.name] = archive.extractfile(info).read()
        return found

    return files
