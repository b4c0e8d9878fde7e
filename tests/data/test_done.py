"""Markers: only a finished step whose inputs and outputs are unchanged is skipped."""

import os

from audio_lottery.data import done


def test_a_marker_holds_until_something_changes(tmp_path):
    marker, output = tmp_path / "a/.done", tmp_path / "a/x"
    assert not done.finished(marker, "k")
    output.parent.mkdir()
    output.write_text("1")
    done.finish(marker, "k", [output])
    assert done.finished(marker, "k")
    assert not done.finished(marker, "other")
    os.rename(tmp_path / "a", tmp_path / "b")
    assert done.finished(tmp_path / "b/.done", "k")
    (tmp_path / "b/x").write_text("22")
    assert not done.finished(tmp_path / "b/.done", "k")
    (tmp_path / "b/x").unlink()
    assert not done.finished(tmp_path / "b/.done", "k")


def test_a_damaged_marker_is_no_marker(tmp_path):
    marker = tmp_path / ".done"
    for content in (b"", b"{", b"[]", b'{"key": "k"}', b'{"key": "k", "files": 3}', b"\xff\xfe"):
        marker.write_bytes(content)
        assert not done.finished(marker, "k")


def test_digest_depends_on_values_not_on_their_order_in_a_dict():
    assert done.digest({"a": 1, "b": 2}) == done.digest({"b": 2, "a": 1})
    assert done.digest({"a": 1}) != done.digest({"a": 2})
