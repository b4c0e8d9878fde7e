"""Downloads that continue where they stopped, and archives that cannot write outside their folder."""

import http.client
import os
import shutil
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
import zlib
from pathlib import Path

from tqdm import tqdm

from audio_lottery import fileio
from audio_lottery.errors import LotteryError

CHUNK = 1 << 18
TIMEOUT = 30.0  # seconds without a byte


def download(url: str, path: str | Path, size: int | None = None, sha256: str | None = None) -> None:
    """Fetch a URL into ``path``, through ``path.part`` which a later call continues.

    Args:
        size, sha256: what the file must have, where known; a file that differs is removed.

    Raises:
        LotteryError: no network, a refusal of the server, a download cut short, or a wrong file.
    """
    path = Path(path)
    if path.is_file():
        return
    part = path.with_name(path.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    print(f"downloading {url}", file=sys.stderr)
    try:
        _fetch(url, part)
    except urllib.error.HTTPError as error:
        raise LotteryError(f"{url}: the server says {error.code} {error.reason}: try later") from None
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise LotteryError(
            f"{url}: cannot be downloaded ({reason}): start again to continue, or give a copy of the corpus"
        ) from None
    found = part.stat().st_size
    if size is not None and found != size or sha256 is not None and fileio.sha256(part) != sha256:
        part.unlink()
        raise LotteryError(f"{url}: size or SHA-256 is not the expected one: start again")
    fileio.fsync(part)
    os.replace(part, path)


def _fetch(url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not have:  # 416: the part is as long as the file, or longer
            raise
        part.unlink()
        return _fetch(url, part)
    with response:
        # A server that ignores the range sends the whole file with 200.
        mode = "ab" if response.status == 206 else "wb"
        expected = response.headers.get("Content-Length")
        got = 0
        total = int(expected) if expected else None
        with open(part, mode) as stream, tqdm(total=total, unit="B", unit_scale=True, disable=None) as bar:
            while chunk := response.read(CHUNK):
                stream.write(chunk)
                got += len(chunk)
                bar.update(len(chunk))
        if total is not None and got != total:
            raise ConnectionError(f"cut short after {part.stat().st_size} bytes")


def fetch(url: str, root: str | Path, inside: str = "", sha256: str | None = None, size: int | None = None) -> Path:
    """Download an archive and unpack its one folder, or the folder ``inside`` that, as ``root``; returns ``root``.

    Does nothing where ``root`` is there. The archive is kept beside it.
    """
    root = Path(root)
    if not root.is_dir():
        archive = root.parent / url.rpartition("/")[2]
        download(url, archive, size, sha256)
        print(f"unpacking {archive}", file=sys.stderr)
        extract(archive, root, inside)
    return root


def extract(archive: str | Path, folder: str | Path, inside: str = "") -> None:
    """Unpack a tar archive that holds one folder, as ``folder``: whole, or not at all.

    ``inside`` names the part of that one folder to keep, where it is not the whole. gzip's own checksum is checked:
    of some corpora no other is known.

    Raises:
        LotteryError: a damaged archive, or a member that would be written elsewhere.
    """
    archive, folder = Path(archive), Path(folder)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(temporary, filter="data")
            while tar.fileobj.read(CHUNK):  # to the end, where gzip keeps the checksum and the size of its content
                pass
        tops = list(temporary.iterdir())
        if len(tops) != 1 or not (tops[0] / inside).is_dir():
            what = f"folder {inside}" if inside else "one folder"
            raise LotteryError(f"{archive}: does not hold {what}: remove it and start again")
        os.replace(tops[0] / inside, folder)
    except tarfile.FilterError as error:
        raise LotteryError(f"{archive}: unsafe archive ({error}): remove it and get it elsewhere") from None
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        if getattr(error, "errno", None) is not None:
            raise
        raise LotteryError(f"{archive}: damaged archive ({error}): remove it and start again") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
