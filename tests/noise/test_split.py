"""Parts share no recording, hold every class, and are the same everywhere."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio_lottery.noise.split import PARTS, recording_of, split

ESC10 = Path(__file__).parents[2] / "../shared/corpora/esc10"


@given(st.lists(st.text("abc/", min_size=1, max_size=5).map(lambda t: t.strip("/") or "a"), unique=True), st.randoms())
def test_every_file_has_one_part_whatever_the_order(names, random):
    parts = split(names)
    assert set(parts) == set(names)
    assert set(parts.values()) <= set(PARTS)
    assert split(random.sample(names, len(names))) == parts


@given(st.dictionaries(st.sampled_from("pqrs"), st.integers(5, 40), min_size=1))
def test_every_class_is_in_every_part(sizes):
    parts = split([f"{name}/{i}.wav" for name, size in sizes.items() for i in range(size)])
    for name, size in sizes.items():
        count = Counter(part for file, part in parts.items() if file.startswith(name))
        assert count["train"] == pytest.approx(0.6 * size, abs=1)
        assert count["valid"] == pytest.approx(0.2 * size, abs=1) and count["valid"]
        assert count["test"] == pytest.approx(0.2 * size, abs=1) and count["test"]


def test_cuts_of_one_recording():
    assert recording_of("dog/1-17367-A.ogg") == recording_of("dog/1-17367-B.ogg") == "dog/1-17367"
    assert recording_of("audio/5-9032-C-12.wav") == "audio/5-9032"
    assert recording_of("DKITCHEN/ch01.wav") == recording_of("DKITCHEN/ch16.wav") == "DKITCHEN"
    assert recording_of("free-sound/noise-free-sound-0001.wav") == "free-sound/noise-free-sound-0001.wav"
    assert recording_of("sp0.9-george_1") == recording_of("sp1.1-george_1") == "george_1"
    environments = [f"{name}/ch{i:02d}.wav" for name in ("PARK", "CAFE", "BUS", "CAR", "HALL") for i in range(1, 17)]
    parts = split(environments)
    assert set(parts.values()) == set(PARTS)
    assert len({(file.split("/")[0], part) for file, part in parts.items()}) == 5


def test_small_classes_are_split_as_one():
    assert Counter(split([f"{i}/only.wav" for i in range(10)]).values()) == {"train": 6, "valid": 2, "test": 2}


@pytest.mark.skipif(not ESC10.is_dir(), reason="ESC-10 is not there")
def test_esc10():
    names = [path.relative_to(ESC10).as_posix() for path in ESC10.rglob("*.ogg")]
    parts = split(names)
    count = Counter((name.split("/")[0], part) for name, part in parts.items())
    assert len(count) == 30
    assert all(10 <= count[c, "train"] <= 14 and 2 <= count[c, "test"] <= 6 for c, _ in count)
    clips = {(name.rpartition("-")[0].split("/")[1], part) for name, part in parts.items()}
    assert len(clips) == len({clip for clip, _ in clips})  # no Freesound clip in two parts
