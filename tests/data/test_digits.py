"""The default corpus: the same bytes on every run, voices apart, strings as said."""

from pathlib import Path

import pytest

from audio_lottery.data import audio, digits, kaldi, strings

pytest.importorskip("espeakng_loader", reason="espeakng-loader is not installed")
SIZES = {"train": 13, "dev": 3, "test": 4}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    out = tmp_path_factory.mktemp("digits")
    digits.prepare_digits(out, out / "wav", SIZES)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.wav"))}


def test_a_second_run_gives_the_same_bytes(corpus, tmp_path):
    digits.prepare_digits(tmp_path, tmp_path / "wav", SIZES)
    assert contents(corpus) == contents(tmp_path)
    assert len(contents(corpus)) == sum(SIZES.values())
    for name in SIZES:
        assert (corpus / name / "text").read_bytes() == (tmp_path / name / "text").read_bytes()


def test_a_larger_corpus_begins_with_the_smaller(corpus, tmp_path):
    digits.prepare_digits(tmp_path, tmp_path / "wav", {**SIZES, "dev": 5})
    small, large = contents(corpus / "wav"), contents(tmp_path / "wav")
    assert len(large) == len(small) + 2 and small.items() <= large.items()


def test_another_seed_says_other_things(corpus, tmp_path):
    digits.prepare_digits(tmp_path, tmp_path / "wav", {"dev": 3}, seed=1)
    assert (corpus / "dev/text").read_text() != (tmp_path / "dev/text").read_text()


def test_sets_are_split_by_voice_and_strings_are_digits(corpus):
    speakers = []
    for name, size in SIZES.items():
        data = kaldi.DataDir.read(corpus / name)
        assert len(data.text) == size
        speakers.append(set(data.speakers))
        for utterance, path in data.wav.items():
            words = data.text[utterance].split()
            assert 3 <= len(words) <= 7 and set(words) <= set(strings.WORDS)
            info = audio.probe(path)
            assert (info.rate, info.channels, info.format) == (8000, 1, "WAV")
            assert 0.15 < info.seconds / len(words) < 0.9
    assert len(set.union(*speakers)) == sum(map(len, speakers))
    assert len(speakers[0]) == 12


def test_no_voice_is_in_two_sets():
    voices = [voice for chosen in digits.VOICES.values() for voice in chosen]
    assert len(set(voices)) == len(voices)
