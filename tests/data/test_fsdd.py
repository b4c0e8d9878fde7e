"""FSDD: protocols, folds, composed strings, and the check of what was downloaded."""

import argparse
import http.server
import io
import tarfile
import threading

import numpy as np
import pytest
import soundfile

from audio_lottery.data import audio, download, fsdd, kaldi
from audio_lottery.errors import LotteryError

SPEAKERS = ["george", "jackson", "lucas", "nicolas", "theo", "yweweler"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A corpus in the real layout: 6 speakers, 10 digits, index 0, 4, 5, 9, 10, 49, each its own level."""
    folder = tmp_path_factory.mktemp("fsdd") / "recordings"
    folder.mkdir()
    for s, speaker in enumerate(SPEAKERS):
        for digit in range(10):
            for i, index in enumerate((0, 4, 5, 9, 10, 49)):
                samples = np.full(400, 1000 * (s + 1) + 10 * (10 * digit + i), dtype=np.int16)
                soundfile.write(folder / f"{digit}_{speaker}_{index}.wav", samples, 8000, subtype="PCM_16")
    return folder.parent


def levels(path):
    """The constant levels of the recordings in a composed file, in order."""
    samples = audio.quantise(audio.read(path)[0][:, 0])
    found = [int(v) for v, w in zip(samples, samples[1:], strict=False) if v and v != w]
    return found


def options(**values):
    names = dict.fromkeys(("test_speaker", "dev_speaker", "fold"))
    return argparse.Namespace(**{"protocol": "speaker_independent", **names, **values})


def test_composed_strings_hold_what_their_text_says(small, tmp_path):
    fsdd.prepare_fsdd(fsdd.find_recordings(small), tmp_path, tmp_path / "wav", "theo", "nicolas")
    used = {}
    for name in ("train", "dev", "test"):
        data = kaldi.DataDir.read(tmp_path / name)
        for utterance in data.utterances:
            words, found = data.text[utterance].split(), levels(data.wav[utterance])
            speaker = SPEAKERS.index(data.utt2spk[utterance])
            assert 3 <= len(words) <= 7
            assert [fsdd.WORDS[(v - 1000 * (speaker + 1)) // 100] for v in found] == words
            used.setdefault(name, []).extend(found)
        assert utterance.startswith(data.utt2spk[utterance])
    assert len(used["test"]) == len(set(used["test"])) == 60  # all recordings, each once
    assert len(used["dev"]) == len(set(used["dev"])) == 60
    assert len(used["train"]) == 2 * len(set(used["train"])) == 480


def test_official_protocol_splits_by_index(small, tmp_path):
    fsdd.prepare_fsdd(fsdd.find_recordings(small), tmp_path, tmp_path / "wav", None, None)
    for name, columns in (("test", (0, 1)), ("dev", (2, 3)), ("train", (4, 5))):
        data = kaldi.DataDir.read(tmp_path / name)
        assert data.speakers == SPEAKERS
        assert {v // 10 % 10 for path in data.wav.values() for v in levels(path)} == set(columns)


def test_a_second_run_gives_the_same_bytes_and_another_seed_others(small, tmp_path):
    recordings = fsdd.find_recordings(small)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        fsdd.prepare_fsdd(recordings, tmp_path / name, tmp_path / name / "wav", "theo", "nicolas", 1, seed)
    files = {n: {p.name: p.read_bytes() for p in (tmp_path / n / "wav").rglob("*.wav")} for n in "abc"}
    assert files["a"] == files["b"] != files["c"]


def test_more_passes_add_to_the_first(small, tmp_path):
    recordings = fsdd.find_recordings(small)
    for passes in (1, 3):
        fsdd.prepare_fsdd(recordings, tmp_path / str(passes), tmp_path / "wav", "theo", "nicolas", passes)
    one, three = (kaldi.DataDir.read(tmp_path / n / "train").text.items() for n in "13")
    assert one < three
    assert sum(len(t.split()) for _, t in three) == 3 * sum(len(t.split()) for _, t in one)


def test_folds_test_each_speaker_once_and_hold_the_default_split():
    pairs = [fsdd.fold_speakers(fold, SPEAKERS) for fold in range(1, 7)]
    assert [t for t, _ in pairs] == SPEAKERS and sorted(d for _, d in pairs) == SPEAKERS
    assert all(t != d for t, d in pairs)
    assert pairs[4] == (fsdd.TEST_SPEAKER, fsdd.DEV_SPEAKER)
    for fold in (0, 7, -1):
        with pytest.raises(LotteryError, match="give 1 to 6"):
            fsdd.fold_speakers(fold, SPEAKERS)


def test_speakers_are_chosen_as_asked():
    assert fsdd.choose_speakers(options(), SPEAKERS) == ("theo", "nicolas")
    assert fsdd.choose_speakers(options(test_speaker="lucas"), SPEAKERS) == ("lucas", "nicolas")
    assert fsdd.choose_speakers(options(fold=1), SPEAKERS) == ("george", "yweweler")
    assert fsdd.choose_speakers(options(protocol="official"), SPEAKERS) == (None, None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"test_speaker": "bob"}, "--test_speaker bob: no such speaker: choose among george"),
        ({"dev_speaker": "theo"}, "--dev_speaker theo: is the test speaker"),
        ({"fold": 2, "test_speaker": "theo"}, "--fold: it chooses the speakers"),
        ({"protocol": "official", "fold": 2}, "--fold: only for --protocol speaker_independent"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(values, message):
    with pytest.raises(LotteryError, match=message):
        fsdd.choose_speakers(options(**values), SPEAKERS)


def test_a_folder_that_is_not_the_corpus(tmp_path):
    with pytest.raises(LotteryError, match="no such folder"):
        fsdd.find_recordings(tmp_path / "none")
    with pytest.raises(LotteryError, match="7_jackson_32"):
        fsdd.find_recordings(tmp_path)


def test_a_damaged_recording_is_named_and_no_table_is_written(small, tmp_path):
    folder = tmp_path / "copy"
    folder.mkdir()
    for path in (small / "recordings").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    cut = folder / "7_theo_4.wav"
    cut.write_bytes(cut.read_bytes()[:500])
    with pytest.raises(LotteryError, match=r"7_theo_4\.wav: truncated audio"):
        fsdd.prepare_fsdd(fsdd.find_recordings(folder), tmp_path, tmp_path / "wav", "theo", "nicolas")
    assert not (tmp_path / "train").exists() and not (tmp_path / "test").exists()


@pytest.fixture
def release(small):
    """Serves the small corpus packed as GitHub packs a release; yields the address and the bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(small, "free-spoken-digit-dataset-1.0.10")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(buffer.getvalue())

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        yield f"http://127.0.0.1:{server.server_port}/v1.0.10.tar.gz"
        server.shutdown()


def test_the_download_is_checked_by_content(small, release, tmp_path):
    expected = fsdd.manifest(fsdd.find_recordings(small))
    root = fsdd.fetch(tmp_path, release, expected)
    assert fsdd.manifest(fsdd.find_recordings(root)) == expected
    assert fsdd.fetch(tmp_path, "http://127.0.0.1:1/unused", expected) == root
    with pytest.raises(
        LotteryError, match="not the recordings this was tested with .*remove .* and start again"
    ):
        fsdd.fetch(tmp_path, release, fsdd.MANIFEST)


def test_the_manifest_depends_on_names_and_content(small, tmp_path):
    recordings = fsdd.find_recordings(small)
    assert fsdd.manifest(recordings) == fsdd.manifest(recordings[::-1])
    assert fsdd.manifest(recordings) != fsdd.manifest(recordings[1:])


def test_the_real_corpus_has_the_manifest(corpora):
    recordings = fsdd.find_recordings(corpora / "fsdd")
    assert len(recordings) == 3000
    assert fsdd.manifest(recordings) == fsdd.MANIFEST
    assert sorted({r.speaker for r in recordings}) == SPEAKERS


def test_the_real_corpus_splits_as_documented(corpora, tmp_path):
    fsdd.prepare_fsdd(fsdd.find_recordings(corpora / "fsdd"), tmp_path, tmp_path / "wav", "theo", "nicolas")
    words = {}
    for name in ("train", "dev", "test"):
        data = kaldi.DataDir.read(tmp_path / name)
        words[name] = sum(len(text.split()) for text in data.text.values())
        assert data.speakers == {"dev": ["nicolas"], "test": ["theo"]}.get(
            name, ["george", "jackson", "lucas", "yweweler"]
        )
    assert words == {"train": 4000, "dev": 500, "test": 500}


def test_no_network_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 1.0)
    with pytest.raises(LotteryError, match="cannot be downloaded"):
        fsdd.fetch(tmp_path, "http://127.0.0.1:1/x.tar.gz")
