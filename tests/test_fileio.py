"""Files are whole or absent."""

import os
import stat

import pytest

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import (
    atomic_path,
    message,
    no_space,
    read_json,
    read_jsonl,
    read_text,
    write_json,
    write_jsonl,
    write_text,
)


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_path(tmp_path / "a") as temporary:
            temporary.unlink()
            temporary.write_bytes(b"replaced by another writer")
            temporary.chmod(0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_json_round_trip(tmp_path):
    write_json(tmp_path / "a.json", {"ü": [1, None]})
    assert read_json(tmp_path / "a.json") == {"ü": [1, None]}
    write_jsonl(tmp_path / "a.jsonl", [{"a": 1}, {"b": "x\ny"}])
    assert read_jsonl(tmp_path / "a.jsonl") == [{"a": 1}, {"b": "x\ny"}]


def test_damage_is_named_with_its_line(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"b"\n')
    with pytest.raises(LotteryError, match=r"a\.jsonl:2: not valid JSON"):
        read_jsonl(tmp_path / "a.jsonl")
    (tmp_path / "b.txt").write_bytes(b"ok\xff")
    with pytest.raises(LotteryError, match=r"b\.txt: not UTF-8 at byte 2"):
        read_text(tmp_path / "b.txt")


def test_a_text_of_errors_that_a_data_loading_process_raised():
    class Mute(OSError):
        def __str__(self):
            raise TypeError("an integer is required")

    told = "Caught Mute in worker process 0.\nOriginal Traceback (most recent call last):\n  ...\nMute: no a.wav\n"
    assert message(Mute(told)) == "Mute: no a.wav"
    assert message(ValueError("one\n  two")) == "one two"
    assert not no_space(Mute(told))
