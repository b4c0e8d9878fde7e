"""Files that are whole or absent: temporary name, fsync, rename."""

import contextlib
import csv
import errno
import glob
import hashlib
import io
import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import yaml

from audio_lottery.errors import LotteryError

MAX_YAML = 10_000_000  # values of a file, those of token lists of any size included


@contextlib.contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; rename it to ``path`` when the block succeeds.

    The file is fsynced before the rename and its folder after, so a crash leaves either the old
    file or the new one. When the block raises, the temporary file is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # Writers may have replaced the file by one of their own, with other permissions.
        os.chmod(temporary, 0o666 & ~umask())
        fsync(temporary)
        os.replace(temporary, path)
        fsync(path.parent)
    except OSError as error:
        error.filename = str(path)  # a failed write names no file, others the temporary one
        raise
    finally:
        temporary.unlink(missing_ok=True)


def sweep(path: str | Path) -> None:
    """Remove what killed writers of ``path`` left behind. The caller sees to it that nobody writes it now."""
    path = Path(path)
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        left.unlink(missing_ok=True)


def umask() -> int:
    """The permissions that new files don't get."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def fsync(path: str | Path) -> None:
    """Flush a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: object) -> None:
    """Write a value as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: str | Path):
    """Read a JSON file; a missing or damaged one is a :class:`LotteryError`."""
    return _parse(path, read_text(path), 1)


def read_yaml(path: str | Path) -> dict:
    """Read a YAML mapping with the safe loader; anything else is a :class:`LotteryError` naming file and line."""
    values = parse_yaml(path, read_text(path))
    if not isinstance(values, dict):
        raise LotteryError(f"{path}:1: a mapping is expected: write lines like 'name: value'")
    return values


def parse_yaml(path: str | Path, text: str):
    """The plain value of a YAML text; one that is damaged, too deep or grows out of aliases is a LotteryError."""
    line = 1
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            if _expanded(node, {}) > MAX_YAML:
                raise LotteryError(f"{path}:1: its aliases (*name) stand for more than {MAX_YAML} values: write it "
                                   "without them")
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        line = error.problem_mark.line + 1 if getattr(error, "problem_mark", None) else 1
        reason = getattr(error, "problem", None) or "characters that are none"
    except (ValueError, OverflowError) as error:  # a date that does not exist, a number of many digits
        reason = error
    except RecursionError:
        reason = "too deep"
    raise LotteryError(f"{path}:{line}: not valid YAML ({' '.join(str(reason).split())}): correct it")


def _expanded(node: yaml.Node | None, known: dict[int, float]) -> float:
    """Values of a node with every alias written out; infinite for one that holds itself."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = math.inf  # until it is known: met again on the way, it holds itself
        inner = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + sum(_expanded(part, known) for part in inner)
    return known[id(node)]


def write_jsonl(path: str | Path, rows: Iterable[dict]) -> None:
    """Write one JSON object a line, atomically."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_csv(path: str | Path, rows: Sequence[dict]) -> None:
    """Write rows with the same keys as CSV with a head, atomically."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def read_jsonl(path: str | Path) -> list[dict]:
    """Read one JSON object a line; a damaged line is a :class:`LotteryError` naming it."""
    lines = read_text(path).splitlines()
    return [_parse(path, line, n) for n, line in enumerate(lines, 1) if line.strip()]


def read_text(path: str | Path) -> str:
    """Read a UTF-8 text file; what cannot be read is a :class:`LotteryError` naming the file."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise LotteryError(f"{path}: not UTF-8 at byte {error.start}: convert it to UTF-8") from None
    except OSError as error:
        raise LotteryError(f"{path}: {error.strerror or error}: check the path") from None


def message(error: BaseException) -> str:
    """An exception's text; of one that a data-loading process raised, its last line.

    torch raises such errors again with the whole traceback as their only argument, from which some (soundfile's)
    cannot make a text any more.
    """
    text = _text(error)
    lines = [line for line in text.splitlines() if line.strip()] or [""]
    return lines[-1] if "Original Traceback" in text else " ".join(" ".join(lines).split())


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return " ".join(map(str, error.args))


def no_space(error: BaseException | None) -> bool:
    """Whether an exception, or what it was raised from, says that the disk (or the quota) is full.

    torch.save and safetensors raise no OSError then, but errors of their own that say it in words.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if any(words in _text(error) for words in _FULL):
            return True
        error = error.__cause__ or error.__context__
    return False


_FULL = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT), "PytorchStreamWriter failed writing",
         "] . unexpected pos ")


def _parse(path: str | Path, text: str, line: int):
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line, reason = line + error.lineno - 1, error.msg
    except ValueError:
        reason = "a number of too many digits"
    except RecursionError:
        reason = "too deep"
    raise LotteryError(f"{path}:{line}: not valid JSON ({reason}): restore or remove it")


def sha256(path: str | Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
