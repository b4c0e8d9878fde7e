"""Common Voice: the makers' splits, the validated rest, and text rules."""

import numpy as np
import pytest
import soundfile

from audio_lottery.data import audio, commonvoice, kaldi
from audio_lottery.errors import LotteryError

HEADER = "\t".join(["client_id", "path", "sentence_id", "sentence", "sentence_domain", "up_votes", "down_votes", "age",
                    "gender", "accents", "variant", "locale", "segment"])
TRAIN = [("ann", "1", "“Don’t!” she said."), ("ann", "2", "Well-known: 25 things")]
DEV = [("bob", "3", "Yn y dechreuad.")]
TEST = [("cat", "4", "He said \"no\".")]
MORE = [("dan", "5", "Something new"), ("bob", "6", "Of a dev speaker"), ("eve", "7", "Yn y dechreuad.")]


def line(client, number, sentence, locale="cy"):
    name = f"common_voice_{locale}_{number}.mp3"
    return "\t".join([client * 40, name, "abc", sentence, "", "2", "0", "", "", "", "", locale, ""])


@pytest.fixture
def corpus(tmp_path):
    root = tmp_path / "cv-corpus/cy"
    (root / "clips").mkdir(parents=True)
    for name, rows in (("train", TRAIN), ("dev", DEV), ("test", TEST), ("validated", TRAIN + DEV + TEST + MORE)):
        (root / f"{name}.tsv").write_text("\n".join([HEADER, *(line(*row) for row in rows)]) + "\n", encoding="utf-8")
        for _, number, _ in rows:
            soundfile.write(root / f"clips/common_voice_cy_{number}.mp3", np.zeros(16000), 32000, format="MP3")
    return root


def prepare(root, out, **options):
    commonvoice.prepare_commonvoice(root, out, "cy", **options)
    return {name: kaldi.DataDir.read(out / name) for name in ("train", "dev", "test")}


def test_splits_speakers_and_text(corpus, tmp_path):
    sets = prepare(corpus.parent, tmp_path / "data")
    assert sorted(sets["train"].text.values()) == ["don't she said", "well known 25 things"]
    assert list(sets["test"].text.values()) == ["he said no"]
    assert len(sets["train"].speakers) == 1
    for utterance, path in sets["train"].wav.items():
        assert utterance.startswith(sets["train"].utt2spk[utterance])
        info = audio.probe(path)
        assert (info.format, info.rate) == ("MP3", 32000)
    raw = prepare(corpus, tmp_path / "raw", style="raw")
    assert list(raw["test"].text.values()) == ['He said "no".']


def test_all_validated_clips_but_those_of_dev_and_test_speakers_and_sentences(corpus, tmp_path):
    sets = prepare(corpus, tmp_path / "data", train_from="validated")
    assert sorted(text.split()[0] for text in sets["train"].text.values()) == ["don't", "something", "well"]


def test_a_sentence_of_punctuation_is_dropped_with_a_note(corpus, tmp_path, capsys):
    with open(corpus / "dev.tsv", "a") as stream:
        stream.write(line("bob", "4", "...") + "\n")
    assert len(prepare(corpus, tmp_path / "data")["dev"].text) == 1
    assert "dev.tsv: dropped 1 sentences without a letter" in capsys.readouterr().out


@pytest.mark.parametrize("change, message", [
    (lambda root: (root / "dev.tsv").unlink(), "dev.tsv missing: give a whole copy of Common Voice in language cy"),
    (lambda root: (root / "clips/common_voice_cy_2.mp3").unlink(), r"train\.tsv:3: no audio .*common_voice_cy_2\.mp3"),
    (lambda root: (root / "cv-valid-train.csv").touch(), "the release of 2017"),
    (lambda root: (root / "dev.tsv").write_text("path\tsentence\n"), r"dev\.tsv:1: no column client_id"),
    (lambda root: (root / "dev.tsv").write_text(HEADER + "\nx\ty\n"), r"dev\.tsv:2: 2 fields, the header has 13"),
    (lambda root: (root / "dev.tsv").write_text(HEADER + "\n" + line("a", "3", "b", "fr") + "\n"),
     r"dev\.tsv:2: language fr, not cy: give --lang fr"),
    (lambda root: (root / "dev.tsv").write_text(HEADER + "\n"), "dev: would be empty"),
])
def test_damage_is_named(corpus, tmp_path, change, message):
    change(corpus)
    with pytest.raises(LotteryError, match=message):
        prepare(corpus, tmp_path / "data")
    assert not (tmp_path / "data").exists()
