"""AN4 in its own layout, and ESPnet's excerpt of it."""

import argparse

import numpy as np
import pytest
import soundfile

from audio_lottery.data import an4, audio, kaldi
from audio_lottery.errors import LotteryError

SIZES = {"train": 3, "test": 1}


@pytest.fixture
def corpus(tmp_path):
    root = tmp_path / "an4"
    lines = {"train": ["<s> YES </s> (an1-aaaa-b)", "<s> P I T </s> (cen2-aaaa-b)", "<s> GO  ON </s> (an3-cccc-b)"],
             "test": ["NO (an4-tttt-b)"]}
    (root / "etc").mkdir(parents=True)
    for name, folder in an4.FOLDERS.items():
        (root / f"etc/an4_{name}.transcription").write_text("\n".join(lines[name]) + "\n")
        for line in lines[name]:
            source = line.split("(")[1][:-1]
            path = root / "wav" / folder / source.split("-")[1] / f"{source}.sph"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, np.zeros(800), 16000, format="NIST")
    return root


def test_the_first_utterances_become_dev(corpus, tmp_path):
    an4.prepare_an4(corpus, tmp_path / "data", 1, SIZES)
    sets = {name: kaldi.DataDir.read(tmp_path / "data" / name) for name in ("train", "dev", "test")}
    assert sets["dev"].text == {"aaaa-an1-b": "YES"}
    assert sets["train"].text == {"aaaa-cen2-b": "P I T", "cccc-an3-b": "GO ON"}
    assert sets["test"].utt2spk == {"tttt-an4-b": "tttt"}
    assert audio.probe(sets["test"].wav["tttt-an4-b"]).format == "NIST"


def test_a_copy_that_is_not_whole_is_noted(corpus, tmp_path, capsys):
    an4.prepare_an4(corpus.parent, tmp_path / "data", 1, {"train": 948, "test": 1})
    assert "3 utterances of train, a whole copy has 948" in capsys.readouterr().err


@pytest.mark.parametrize("change, message", [
    (lambda root: (root / "etc/an4_test.transcription").unlink(), "etc/an4_test.transcription missing"),
    (lambda root: (root / "wav/an4_clstk/aaaa/an1-aaaa-b.sph").unlink(), r"an4_train\.transcription:1: no audio"),
    (lambda root: (root / "wav/an4_clstk/cccc/an3-cccc-b.sph").with_suffix(".raw").touch(), "from AN4's raw release"),
    (lambda root: (root / "etc/an4_train.transcription").write_text("<s> YES </s>\n"), "transcription:1: not 'WORDS"),
    (lambda root: (root / "etc/an4_train.transcription").write_text("<s> </s> (an1-aaaa-b)\n"), "empty transcript"),
])
def test_damage_is_named(corpus, tmp_path, change, message):
    change(corpus)
    with pytest.raises(LotteryError, match=message):
        an4.prepare_an4(corpus, tmp_path / "data", 1, SIZES)
    assert not (tmp_path / "data").exists()


def test_dev_may_not_take_all(corpus, tmp_path):
    with pytest.raises(LotteryError, match="--dev_size 3: leaves none of 3"):
        an4.prepare_an4(corpus, tmp_path / "data", 3, SIZES)


def test_sphere_compressed_by_shorten_is_explained(corpus):
    path = corpus / "wav/an4_clstk/aaaa/an1-aaaa-b.sph"
    head, rest = path.read_bytes()[:1024], path.read_bytes()[1024:]
    head = head.replace(b"sample_coding -s3 pcm", b"sample_coding -s26 pcm,embedded-shorten-v2.00")[:1024]
    path.write_bytes(head + b"ajkg" + rest)
    with pytest.raises(LotteryError, match=r"data/wav\.scp:3: .*an1-aaaa-b\.sph: .*shorten, .*sph2pipe"):
        audio.probe(path, "data/wav.scp:3")


def test_the_real_excerpt(corpora, tmp_path):
    args = argparse.Namespace(an4_root=corpora / "mini_an4/downloads.tar.gz", downloads=tmp_path / "downloads",
                              out=tmp_path / "data", mini=True, dev_size=None)
    for _ in range(2):
        an4.prepare(args)
    sets = {name: kaldi.DataDir.read(tmp_path / "data" / name) for name in ("train", "dev", "test")}
    assert {name: len(data.text) for name, data in sets.items()} == {"train": 4, "dev": 1, "test": 2}
    assert sets["test"].text["fcaw-cen8-b"] == "ELEVEN TWENTY SEVEN FIFTY SEVEN"
    for data in sets.values():
        for path in data.wav.values():
            assert audio.probe(path).rate == 16000
