"""Running sclite and reading its output."""

import shutil

import pytest

from audio_lottery.errors import LotteryError
from audio_lottery.metrics.sclite import find_sclite, parse_result, run_sclite
from audio_lottery.metrics.wer import Counts

OUTPUT = """
       | Sum/Avg|    2      5 | 40.0   20.0   40.0   20.0   80.0  100.0 |

Speaker sentences   0:  spk1   #utts: 2
id: (spk1-utt1)
Scores: (#C #S #D #I) 2 1 0 1
REF:  one TWO three ****
HYP:  one TOO three FOUR
Eval:     S         I

id: (spk1-utt2)
Scores: (#C #S #D #I) 0 0 2 0
REF:  É B
HYP:  * *
"""
needs_sclite = pytest.mark.skipif(
    find_sclite() is None, reason="sclite is not installed (Debian package sctk)"
)


def test_parse_result():
    expected = {"spk1-utt1": Counts(2, 1, 0, 1), "spk1-utt2": Counts(deleted=2)}
    assert parse_result(OUTPUT.encode()) == expected
    assert parse_result(OUTPUT.encode("latin-1")) == expected  # sclite may break UTF-8
    assert parse_result(b"") == {}


@needs_sclite
def test_no_shell_sees_the_paths(tmp_path):
    reference, hypothesis = tmp_path / "r e;f $(touch x).trn", tmp_path / "hyp's.trn"
    reference.write_text("a b\t(s-1)\n")
    hypothesis.write_text("a c\t(s-1)\n")
    assert parse_result(run_sclite(find_sclite(), reference, hypothesis)) == {"s-1": Counts(1, 1, 0, 0)}


@needs_sclite
def test_a_failure_is_one_line(tmp_path):
    (tmp_path / "ref.trn").write_text("a\t(s-1)\n")
    (tmp_path / "hyp.trn").write_text("a\t(s-1)\nb\t(s-2)\n")
    with pytest.raises(LotteryError, match="failed .*Not enough Reference") as caught:
        run_sclite(find_sclite(), tmp_path / "ref.trn", tmp_path / "hyp.trn")
    assert "\n" not in str(caught.value)


def test_sclite_on_path_comes_first(tmp_path, monkeypatch):
    mine = tmp_path / "sclite"
    shutil.copy("/bin/true", mine)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_sclite() == str(mine)
