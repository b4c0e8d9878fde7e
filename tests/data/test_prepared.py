"""Preparing once: the same again is skipped, a change is not, and audio is never overwritten by another."""

from audio_lottery.data import kaldi, prepared


def test_prepared_once(tmp_path, capsys):
    calls = []

    def build(folder):
        calls.append(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "a.wav").write_bytes(b"x")
        return {"train": kaldi.make_data_dir([("u", "s", str(folder / "a.wav"), "ONE TWO")])}

    wav_dir = tmp_path / "wav"
    prepared.prepare_once(tmp_path, "c", "key", wav_dir, build)
    assert "1 utterances, 2 words, 1 speakers" in capsys.readouterr().out
    prepared.prepare_once(tmp_path, "c", "key", wav_dir, build)
    assert len(calls) == 1 and "already prepared" in capsys.readouterr().out
    prepared.prepare_once(tmp_path, "c", "other key", wav_dir, build)
    assert calls[0] != calls[1] and calls[1].parent == wav_dir
    (tmp_path / "train/text").write_text("u SIX\n")
    prepared.prepare_once(tmp_path, "c", "other key", wav_dir, build)
    assert len(calls) == 3 and (tmp_path / "train/text").read_text() == "u ONE TWO\n"
