"""Downloads against a real server on this machine: resumed, checked, and safely unpacked."""

import functools
import hashlib
import http.server
import io
import tarfile
import threading

import pytest

from audio_lottery.data import download
from audio_lottery.errors import LotteryError

CONTENT = bytes(range(256)) * 4000


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT with or without ranges, may stop early, and notes what was asked for."""

    ranges = True
    stop_after = None
    asked: list = []

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.asked.append(wanted)
        if self.path == "/missing":
            return self.send_error(404)
        start = int(wanted[6:-1]) if wanted and self.ranges else 0
        if start >= len(CONTENT):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        self.wfile.write(CONTENT[start:][: self.stop_after])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    handler = type("H", (Handler,), {"asked": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield handler, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_downloads_whole_and_only_once(server, tmp_path):
    handler, url = server
    path = tmp_path / "new" / "file"
    digest = hashlib.sha256(CONTENT).hexdigest()
    for _ in range(2):
        download.download(url, path, size=len(CONTENT), sha256=digest)
    assert path.read_bytes() == CONTENT and handler.asked == [None]
    assert not path.with_name("file.part").exists()


@pytest.mark.parametrize("ranges", [True, False])
def test_continues_a_download_that_broke_off(server, tmp_path, ranges):
    handler, url = server
    handler.ranges, handler.stop_after = ranges, 300_000
    path = tmp_path / "file"
    with pytest.raises(LotteryError, match="cannot be downloaded .*start again to continue"):
        download.download(url, path)
    assert not path.exists() and path.with_name("file.part").stat().st_size == 300_000
    handler.stop_after = None
    download.download(url, path)
    assert path.read_bytes() == CONTENT and handler.asked == [None, "bytes=300000-"]


def test_a_part_longer_than_the_file_is_thrown_away(server, tmp_path):
    _, url = server
    (tmp_path / "file.part").write_bytes(CONTENT + b"more")
    download.download(url, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("expected", [{"size": 3}, {"sha256": "0" * 64}])
def test_a_wrong_file_is_refused_and_removed(server, tmp_path, expected):
    with pytest.raises(LotteryError, match="not the expected"):
        download.download(server[1], tmp_path / "file", **expected)
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_and_no_network_are_one_line(server, tmp_path):
    handler, url = server
    with pytest.raises(LotteryError, match="the server says 404") as refused:
        download.download(url + "/missing", tmp_path / "file")
    with pytest.raises(LotteryError, match="cannot be downloaded") as absent:
        download.download("http://127.0.0.1:1/file", tmp_path / "file")
    assert "\n" not in str(refused.value) + str(absent.value)


def pack(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_unpacks_the_one_folder(tmp_path):
    pack(tmp_path / "a.tgz", ("corpus-1.0/recordings/x.wav", b"x"), ("corpus-1.0/README", b"r"))
    download.extract(tmp_path / "a.tgz", tmp_path / "corpus")
    assert (tmp_path / "corpus/recordings/x.wav").read_bytes() == b"x"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tgz", "corpus"]


@pytest.mark.parametrize("name", ["../escape", "/tmp/audio_lottery_escape", "corpus/../../escape"])
def test_no_member_escapes(tmp_path, name):
    (tmp_path / "in").mkdir()
    pack(tmp_path / "in/a.tgz", ("corpus/x", b"x"), (name, b"bad"))
    # "/tmp/x" is unpacked below the folder, which then holds two: refused as well.
    with pytest.raises(LotteryError, match="unsafe archive|does not hold one folder"):
        download.extract(tmp_path / "in/a.tgz", tmp_path / "in/corpus")
    assert [p.name for p in tmp_path.iterdir()] == ["in"]
    assert [p.name for p in (tmp_path / "in").iterdir()] == ["a.tgz"]


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    link = tarfile.TarInfo("corpus/link")
    link.type, link.linkname = tarfile.SYMTYPE, "../../../etc/passwd"
    pack(tmp_path / "a.tgz", (link, b""))
    with pytest.raises(LotteryError, match="unsafe archive"):
        download.extract(tmp_path / "a.tgz", tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_damaged_archive_is_refused_whole(tmp_path, keep):
    pack(tmp_path / "a.tgz", *[(f"corpus/{i}", hashlib.sha256(bytes([i])).digest() * 9) for i in range(50)])
    data = (tmp_path / "a.tgz").read_bytes()
    (tmp_path / "a.tgz").write_bytes(data[:keep])
    with pytest.raises(LotteryError, match="damaged archive"):
        download.extract(tmp_path / "a.tgz", tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_bytes_changed_on_the_way_are_found_by_gzips_own_checksum(tmp_path):
    """Of AN4 and speechocean762 nobody publishes a checksum."""
    noise = b"".join(hashlib.sha256(bytes([i, j])).digest() for i in range(100) for j in range(100))  # 10 reads long
    pack(tmp_path / "a.tgz", ("corpus/audio", noise))
    data = (tmp_path / "a.tgz").read_bytes()
    for at in (len(data) // 3, 2 * len(data) // 3, len(data) - 6):  # content, content, checksum
        changed = bytearray(data)
        changed[at] ^= 1
        (tmp_path / "a.tgz").write_bytes(changed)
        with pytest.raises(LotteryError, match="damaged archive"):
            download.extract(tmp_path / "a.tgz", tmp_path / "corpus")
        assert not (tmp_path / "corpus").exists()


def test_fetches_a_part_of_an_archive_once(tmp_path):
    (tmp_path / "served").mkdir()
    pack(tmp_path / "served/dev-clean.tar.gz", ("LibriSpeech/README", b"r"), ("LibriSpeech/dev-clean/1/x.flac", b"x"))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/dev-clean.tar.gz"
        root = tmp_path / "downloads/LibriSpeech/dev-clean"
        try:
            with pytest.raises(LotteryError, match="SHA-256 is not the expected one"):
                download.fetch(url, root, "dev-clean", sha256="0" * 64)
            with pytest.raises(LotteryError, match="does not hold folder dev-other"):
                download.fetch(url, root, "dev-other")
            assert download.fetch(url, root, "dev-clean") == root
        finally:
            server.shutdown()
            thread.join()
    assert (root / "1/x.flac").read_bytes() == b"x"
    assert sorted(path.name for path in root.parent.iterdir()) == ["dev-clean", "dev-clean.tar.gz"]
    (root.parent / "dev-clean.tar.gz").unlink()
    assert download.fetch(url, root, "dev-clean") == root  # the server is gone
