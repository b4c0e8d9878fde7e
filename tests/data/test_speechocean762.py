"""speechocean762: Kaldi folders with relative paths, a dev set of speakers of its own."""

import numpy as np
import pytest
import soundfile

from audio_lottery.data import kaldi, speechocean762
from audio_lottery.data.audio import probe
from audio_lottery.errors import LotteryError


@pytest.fixture
def corpus(tmp_path):
    """Four training speakers and two test speakers of two utterances, the second a string of digits."""
    root = tmp_path / "speechocean762"
    for name, speakers in (("train", ("0001", "0005", "0006", "0026")), ("test", ("0003", "0036"))):
        (root / name).mkdir(parents=True)
        wav, text, speaker_of = "", "", ""
        for speaker in speakers:
            for i, words in enumerate(("WE CALL IT BEAR", "ZERO NINE TWO")):
                utterance = f"0{speaker}000{i}"
                path = root / f"WAVE/SPEAKER{speaker}/{utterance}.opus"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, np.zeros(1600), 16000, format="OGG", subtype="OPUS")
                wav += f"{utterance}\tWAVE/SPEAKER{speaker}/{utterance}.WAV\n"  # as published, before re-encoding
                text += f"{utterance}\t{words}\n"
                speaker_of += f"{utterance} {speaker}\n"
        for table, content in (("wav.scp", wav), ("text", text), ("utt2spk", speaker_of)):
            (root / name / table).write_text(content)
    return root


def test_speakers_are_apart_and_audio_is_found_under_its_real_suffix(corpus, tmp_path):
    speechocean762.prepare_speechocean762(corpus, tmp_path / "data", dev_speakers=2)
    sets = {name: kaldi.DataDir.read(tmp_path / "data" / name) for name in ("train", "dev", "test")}
    assert {name: data.speakers for name, data in sets.items()} == {
        "train": ["0005", "0026"], "dev": ["0001", "0006"], "test": ["0003", "0036"]}
    path = sets["train"].wav["000050001"]
    assert path == str(corpus / "WAVE/SPEAKER0005/000050001.opus") and probe(path).rate == 16000


def test_digits_alone(corpus, tmp_path):
    speechocean762.prepare_speechocean762(corpus, tmp_path / "data", 1, digits=True)
    assert set(kaldi.DataDir.read(tmp_path / "data/train").text.values()) == {"ZERO NINE TWO"}


@pytest.mark.parametrize("change, message", [
    (lambda root: (root / "test/text").unlink(), "test/text missing: give a whole copy of speechocean762"),
    (lambda root: (root / "WAVE/SPEAKER0006/000060001.opus").unlink(), r"train/wav\.scp:6: no audio .*000060001\.WAV"),
    (lambda root: (root / "train/text").write_text("000010000 WE\n"), "has no text in"),
])
def test_damage_is_named(corpus, tmp_path, change, message):
    change(corpus)
    with pytest.raises(LotteryError, match=message):
        speechocean762.prepare_speechocean762(corpus, tmp_path / "data")
    assert not (tmp_path / "data").exists()


def test_dev_may_not_take_all_speakers(corpus, tmp_path):
    with pytest.raises(LotteryError, match="--dev_speakers 4: leaves none of 4"):
        speechocean762.prepare_speechocean762(corpus, tmp_path / "data", 4)


def test_the_real_corpus(corpora, tmp_path, capsys):
    speechocean762.prepare_speechocean762(corpora / "speechocean762", tmp_path)
    sets = {name: kaldi.DataDir.read(tmp_path / name) for name in ("train", "dev", "test")}
    assert {name: len(data.speakers) for name, data in sets.items()} == {"train": 113, "dev": 12, "test": 60}
    assert "test: 1200 of 2500 utterances" in capsys.readouterr().err
