"""Kaldi data folders: what is written reads back, and every fault is named with file and line."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.data import kaldi
from audio_lottery.errors import LotteryError

GOOD = {
    "wav.scp": "u1 a.wav\nu2 dir with blanks/ä b.wav\n",
    "text": "u1 ONE TWO\nu2 THREE\n",
    "utt2spk": "u1 s\nu2 s\n",
}


def folder(path, **changes):
    """A data folder on disk: GOOD with files replaced (bytes or text) or left out (None)."""
    path.mkdir(exist_ok=True)
    for name, content in {**GOOD, **{k.replace("wav_scp", "wav.scp"): v for k, v in changes.items()}}.items():
        if content is not None:
            (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_reads_a_good_folder(tmp_path):
    data = kaldi.DataDir.read(folder(tmp_path / "d"))
    assert data.wav["u2"] == "dir with blanks/ä b.wav"
    assert data.text["u1"] == "ONE TWO"
    assert data.utterances == ["u1", "u2"] and data.speakers == ["s"]
    assert data.where("u2").endswith("wav.scp:2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "u1 ONE\n"}, r"wav\.scp:2: utterance u2 has no text in .*text"),
        ({"text": "u1 ONE\nu2 TWO\nu3 SIX\n"}, r"text:3: text u3 has no audio in .*wav\.scp"),
        ({"wav_scp": "u1 a\nu2 b\nu3 c\n"}, r"wav\.scp:3: utterance u3 has no text"),
        ({"text": "u1 ONE\nu2 TWO\nu1 SIX\n"}, r"text:3: u1 is on line 1 too"),
        ({"text": b"u1 ONE\nu2 \xff\xfe\n"}, r"text:2: not UTF-8"),
        ({"text": b"u1 ONE\nu2 T\0O\n"}, r"text:2: holds a NUL byte"),
        ({"text": "u1 ONE\nu2 \n"}, r"text:2: empty transcript of u2"),
        ({"text": "u1 ONE\nu2\n"}, r"text:2: empty transcript of u2"),
        ({"text": ""}, r"text: empty"),
        ({"wav_scp": "\n\n"}, r"wav\.scp: empty"),
        ({"utt2spk": None}, r"utt2spk: missing"),
        ({"wav_scp": None}, r"wav\.scp: missing"),
        ({"utt2spk": "u1 s\n"}, r"wav\.scp:2: utterance u2 has no speaker in .*utt2spk"),
        ({"utt2spk": "u1 s\nu2 s\nu9 s\n"}, r"utt2spk:3: speaker entry u9 has no audio"),
        ({"spk2utt": "s u1\n"}, r"spk2utt: lists 1 utterances, .*utt2spk 2"),
        ({"spk2utt": "s u1\nt u2\n"}, r"spk2utt:2: u2 is not t's"),
        ({"wav_scp": "u1 a.wav\nu2 touch /tmp/x; sox a.wav - |\n"}, r"wav\.scp:2: .*would run a command"),
        ({"segments": "u1 rec 0 1\nu2 rec 1 2\n", "wav_scp": "other a.wav\n"}, r"segments:1: recording rec"),
        ({"segments": "u1 rec 0 1\nu2 rec 2 1\n", "wav_scp": "rec a.wav\n"}, r"segments:2: start 2 and"),
        ({"segments": "u1 rec 0 1\nu2 rec 0\n", "wav_scp": "rec a.wav\n"}, r"segments:2: 'rec 0' is no"),
        ({"segments": "u1 rec 0 nan\n", "wav_scp": "rec a.wav\n"}, r"segments:1: start 0 and end nan"),
    ],
)  # fmt: skip
def test_faults_are_named(tmp_path, changes, message):
    with pytest.raises(LotteryError, match=message) as caught:
        kaldi.DataDir.read(folder(tmp_path / "d", **changes))
    assert "\n" not in str(caught.value)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(LotteryError, match="nothing: no such data folder"):
        kaldi.DataDir.read(tmp_path / "nothing")


def test_segments(tmp_path):
    path = folder(tmp_path / "d", wav_scp="rec a.wav\n", segments="u2 rec 1.5 -1\nu1 rec 0 1.5\n")
    data = kaldi.DataDir.read(path)
    assert data.source("u1") == kaldi.Segment("rec", 0.0, 1.5)
    assert data.source("u2").end == float("inf")
    assert data.where("u2").endswith("segments:1")


def test_windows_lines_tabs_and_byte_order_mark(tmp_path):
    path = folder(tmp_path / "d", text=b"\xef\xbb\xbfu1\tONE TWO\r\nu2 THREE\r\n")
    assert dict(kaldi.DataDir.read(path).text) == {"u1": "ONE TWO", "u2": "THREE"}


def test_unsorted_is_sorted_on_writing(tmp_path):
    data = kaldi.DataDir.read(folder(tmp_path / "d", text="u2 THREE\nu1 ONE\n"))
    assert not kaldi.is_sorted(data.text)
    data.write(tmp_path / "e")
    assert (tmp_path / "e/text").read_text() == "u1 ONE\nu2 THREE\n"
    assert (tmp_path / "e/spk2utt").read_text() == "s u1 u2\n"
    assert kaldi.DataDir.read(tmp_path / "e") == data


def test_writing_drops_segments_of_an_earlier_time(tmp_path):
    data = kaldi.DataDir.read(folder(tmp_path / "d"))
    (tmp_path / "d/segments").write_text("u1 rec 0 1\n")
    data.write(tmp_path / "d")
    assert not (tmp_path / "d/segments").exists()


def test_subset_keeps_what_belongs_together(tmp_path):
    path = folder(tmp_path / "d", wav_scp="r1 a\nr2 b\n", segments="u1 r1 0 1\nu2 r2 0 1\n")
    part = kaldi.DataDir.read(path).subset(["u2"])
    assert dict(part.wav) == {"r2": "b"} and list(part.text) == list(part.utt2spk) == ["u2"]
    part.check()


def test_rows_with_one_id_twice_are_refused():
    with pytest.raises(ValueError, match="duplicate"):
        kaldi.make_data_dir([("u", "s", "a", "X"), ("u", "s", "b", "Y")])


IDS = st.text(
    st.characters(blacklist_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), max_codepoint=0x2FFFF), min_size=1
)
WORDS = st.lists(IDS, min_size=1, max_size=4).map(" ".join)


@given(st.dictionaries(IDS.filter(lambda s: s[0] != "\ufeff"), WORDS, min_size=1, max_size=8), st.randoms())
def test_tables_read_back_and_sort_as_bytes(tmp_path_factory, table, rng):
    path = tmp_path_factory.mktemp("t") / "wav.scp"
    keys = list(table)
    rng.shuffle(keys)
    kaldi.write_table(path, {k: table[k] for k in keys})
    assert kaldi.read_table(path) == table
    lines = path.read_bytes().split(b"\n")[:-1]
    written = [line.split(b" ")[0] for line in lines]
    assert written == sorted(written)


@given(st.dictionaries(st.integers(0, 99).map(str), st.sampled_from("abc"), min_size=1))
def test_spk2utt_is_the_inverse_of_utt2spk(utt2spk):
    inverse = kaldi.spk2utt(utt2spk)
    assert {u: s for s, line in inverse.items() for u in line.split()} == utt2spk


def test_order_does_not_change_what_is_written(tmp_path):
    keys = [f"u{i}" for i in range(20)]
    random.Random(0).shuffle(keys)
    kaldi.make_data_dir([(k, "s", "p", "T") for k in keys]).write(tmp_path / "a")
    kaldi.make_data_dir([(k, "s", "p", "T") for k in sorted(keys)]).write(tmp_path / "b")
    for name in ("wav.scp", "text", "utt2spk", "spk2utt"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
