"""LibriSpeech: parts into sets, and what is missing is named."""

import shutil

import numpy as np
import pytest
import soundfile

from audio_lottery.data import kaldi, librispeech
from audio_lottery.errors import LotteryError

SETS = {"train": ["train-clean-100", "train-clean-360"], "dev": ["dev-clean"], "test_clean": ["test-clean"]}


@pytest.fixture
def corpus(tmp_path):
    """Four parts, in each two speakers of one chapter, in each two utterances."""
    root = tmp_path / "LibriSpeech"
    for number, part in enumerate(("train-clean-100", "train-clean-360", "dev-clean", "test-clean")):
        for speaker in (10 * number + 1, 10 * number + 2):
            folder = root / part / str(speaker) / "700"
            folder.mkdir(parents=True)
            lines = []
            for i in range(2):
                soundfile.write(folder / f"{speaker}-700-000{i}.flac", np.zeros(1600), 16000)
                lines.append(f"{speaker}-700-000{i} WORD NUMBER {'ONE TWO'.split()[i]}\n")
            (folder / f"{speaker}-700.trans.txt").write_text("".join(lines))
    (root / "SPEAKERS.TXT").write_text(";\n")
    return root


def test_parts_become_sets(corpus, tmp_path, capsys):
    librispeech.prepare_librispeech(corpus, tmp_path / "data", SETS)
    train = kaldi.DataDir.read(tmp_path / "data/train")
    assert train.speakers == ["1", "11", "12", "2"] and len(train.text) == 8
    assert train.text["11-700-0001"] == "WORD NUMBER TWO"
    assert train.wav["11-700-0001"] == str(corpus / "train-clean-360/11/700/11-700-0001.flac")
    assert kaldi.DataDir.read(tmp_path / "data/test_clean").speakers == ["31", "32"]
    assert "dev-clean: 4 of 2703 utterances" in capsys.readouterr().err


def test_the_parent_folder_and_speakers_of_a_part_will_do(corpus, tmp_path):
    sets = {"train": ["dev-clean/21"], "dev": ["dev-clean/22"]}
    librispeech.prepare_librispeech(corpus.parent, tmp_path / "data", sets)
    assert kaldi.DataDir.read(tmp_path / "data/train").speakers == ["21"]


@pytest.mark.parametrize("damage, message", [
    ("rm train-clean-360", "train-clean-360 missing: give a whole copy of LibriSpeech"),
    ("rm dev-clean/21/700/21-700-0000.flac", r"21-700\.trans\.txt:1: no audio .*21-700-0000\.flac"),
    ("rm dev-clean/21/700/21-700.trans.txt", r"21-700-0000\.flac: no \.trans\.txt beside it"),
    ("cut dev-clean/21/700/21-700.trans.txt", r"21-700-0001\.flac: no transcript in 21-700\.trans\.txt"),
    ("other dev-clean", r"dev-clean: no SPEAKER-CHAPTER\.trans\.txt below it \(it holds LibriTTS\)"),
])
def test_damage_is_named_and_nothing_written(corpus, tmp_path, damage, message):
    what, name = damage.split()
    path = corpus / name
    if what == "rm":
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif what == "cut":
        path.write_text(path.read_text().split("\n")[0] + "\n")
    else:
        for table in list(path.rglob("*.trans.txt")):
            table.rename(table.with_suffix(".tsv"))
    with pytest.raises(LotteryError, match=message) as caught:
        librispeech.prepare_librispeech(corpus, tmp_path / "data", SETS)
    assert "\n" not in str(caught.value) and not (tmp_path / "data").exists()


def test_a_wrong_part_and_sets_that_overlap_are_refused(corpus, tmp_path):
    with pytest.raises(LotteryError, match="train-clean: no part of LibriSpeech: choose among train-clean-100"):
        librispeech.prepare_librispeech(corpus, tmp_path / "data", {"train": ["train-clean"]})
    with pytest.raises(LotteryError, match="21-700-0000: is in train and in dev"):
        librispeech.prepare_librispeech(corpus, tmp_path / "data", {"train": ["dev-clean"], "dev": ["dev-clean/21"]})


def test_parts_that_are_there_are_not_downloaded(corpus):
    assert librispeech.fetch(corpus.parent, ["dev-clean/21", "test-clean"], "http://127.0.0.1:1/{}.tar.gz") == corpus
    with pytest.raises(LotteryError, match="dev-other.tar.gz: cannot be downloaded"):
        librispeech.fetch(corpus.parent, ["dev-other"], "http://127.0.0.1:1/{}.tar.gz")


def test_real_utterances(corpora, tmp_path):
    root = corpora / "librispeech_test-other_100"
    librispeech.prepare_librispeech(root, tmp_path, {"test_other": ["test-other"]})
    data = kaldi.DataDir.read(tmp_path / "test_other")
    assert (len(data.text), len(data.speakers)) == (100, 10)
