"""TED-LIUM: segments and text of the stm files, in the layouts of three releases."""

import numpy as np
import pytest
import soundfile

from audio_lottery.data import kaldi, tedlium
from audio_lottery.data.format import Options, format_data
from audio_lottery.errors import LotteryError

STM = """;; LABEL "o" "Overall" "Overall results"
{talk} 1 {talk} 0.00 0.50 <o,,unknown> ignore_time_segment_in_scoring
{talk} 1 {talk} 0.50 1.25 <o,f0,female> it 's <unk> good(2) {{NOISE}} <sil> evening ({talk}-0.50-1.25-F0_F-S1)
{talk} 1 inter_segment_gap 1.25 1.30 <o,,unknown> inter_segment_gap
{talk} 1 {talk} 1.30 1.40 <F0_M> {{COUGH}}
{talk} 1 {talk} 1.40 2.00 <NA> the end
"""


def make(root, below=""):
    for name in tedlium.SETS:
        for kind in ("sph", "stm"):
            (root / below / name / kind).mkdir(parents=True)
        talk = f"Speaker{name.capitalize()}_2010"
        soundfile.write(root / below / name / f"sph/{talk}.sph", np.arange(32000) % 1000 / 2000, 16000, format="NIST")
        (root / below / name / f"stm/{talk}.stm").write_text(STM.format(talk=talk))
    return root


@pytest.fixture
def corpus(tmp_path):
    root = make(tmp_path / "TEDLIUM_release2")
    (root / "TEDLIUM.152k.dic").touch()
    return root


def test_segments_and_text(corpus, tmp_path, capsys):
    tedlium.prepare_tedlium(corpus, tmp_path / "data", "2")
    data = kaldi.DataDir.read(tmp_path / "data/dev")
    assert data.text == {"SpeakerDev_2010-0000050-0000125": "it's good evening",
                         "SpeakerDev_2010-0000140-0000200": "the end"}
    assert data.segments["SpeakerDev_2010-0000050-0000125"] == kaldi.Segment("SpeakerDev_2010", 0.5, 1.25)
    assert data.speakers == ["SpeakerDev_2010"]
    assert "dropped 1 segments without a word" in capsys.readouterr().out


def test_sphere_segments_pass_stage_2(corpus, tmp_path):
    tedlium.prepare_tedlium(corpus, tmp_path / "data", "2")
    format_data(tmp_path / "data/train", tmp_path / "dump", Options(fs=16000))
    counts = kaldi.read_table(tmp_path / "dump/utt2num_samples")
    assert list(counts.values()) == ["15520", "10880"]  # 0.35 to 1.32 s, and from 1.32 s to the recording's end


def test_training_segments_grow_but_not_into_their_neighbours():
    grown = tedlium.grow_segments([(0.1, 1.0), (1.04, 2.0), (1.9, 3.0), (5.0, 6.0)])
    expected = [(0.0, 1.02), (1.02, 2.0), (1.9, 3.1), (4.85, 6.1)]
    assert [tuple(round(time, 6) for time in one) for one in grown] == expected


@pytest.mark.parametrize("release, below, dictionary", [("1", "", "TEDLIUM.150K.dic"), ("3", "legacy", "x")])
def test_other_releases(tmp_path, release, below, dictionary):
    root = make(tmp_path / "copy", below)
    (root / dictionary).touch()
    tedlium.prepare_tedlium(root, tmp_path / "data", release)
    assert len(kaldi.DataDir.read(tmp_path / "data/train").text) == 2
    with pytest.raises(LotteryError, match=f"release {release}, not 2: give --release {release}"):
        tedlium.prepare_tedlium(root, tmp_path / "data", "2")


@pytest.mark.parametrize("words, expected", [
    ("and i(2) 'm here (911Mothers_2010W-14.83-16.92-F0_M-S9)", "and i'm here"),
    ("[NOISE] {BREATH} <UNK>", ""),
    ("they 'd've", "they'd've"),
    ("a word(3)", "a word"),
])
def test_text_rules(words, expected):
    assert tedlium.clean(words) == expected


def damage_stm(content):
    return lambda root: (root / "dev/stm/SpeakerDev_2010.stm").write_text(content)


@pytest.mark.parametrize("change, message", [
    (lambda root: (root / "dev/sph/SpeakerDev_2010.sph").unlink(), r"SpeakerDev_2010\.stm:3: no audio"),
    (lambda root: (root / "dev/stm/SpeakerDev_2010.stm").unlink(), r"no transcript stm/SpeakerDev_2010\.stm"),
    (lambda root: (root / "test/stm").rename(root / "test/gone"), "test/stm missing"),
    (damage_stm("SpeakerDev_2010 1 x 3.0 2.0 <NA> a\n"), r"stm:1: not 'TALK CHANNEL"),
    (damage_stm("SpeakerDev_2010 1 x\n"), r"stm:1: not 'TALK CHANNEL"),
    (damage_stm("T 1 T 0 1 <NA> a\nT 1 T 0 1 <NA> b\n"), "no audio .*T.sph"),
])
def test_damage_is_named(corpus, tmp_path, change, message):
    change(corpus)
    with pytest.raises(LotteryError, match=message):
        tedlium.prepare_tedlium(corpus, tmp_path / "data", "2")
    assert not (tmp_path / "data").exists()


def test_the_same_line_twice_is_one_segment_and_other_words_are_refused(corpus, tmp_path):
    line = "SpeakerDev_2010 1 x 0 1 <NA> "
    damage_stm(f"{line}a\n{line}a\n")(corpus)
    tedlium.prepare_tedlium(corpus, tmp_path / "data", "2")
    assert len(kaldi.DataDir.read(tmp_path / "data/dev").text) == 1
    damage_stm(f"{line}a\n{line}b\n")(corpus)
    with pytest.raises(LotteryError, match="stm:2: .* is there twice with other words"):
        tedlium.prepare_tedlium(corpus, tmp_path / "data", "2")
