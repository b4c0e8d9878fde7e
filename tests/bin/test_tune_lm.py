"""Tuning with ESPnet's own decoding of a small model."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import yaml

from audio_lottery.bin import cli, ngram, tune_lm
from audio_lottery.data import kaldi
from audio_lottery.metrics.wer import count_texts, total

TOKENS = ["<blank>", "<unk>", "one", "two", "three", "<sos/eos>"]
CONFIG = {
    "token_list": TOKENS, "token_type": "word", "frontend": "default", "specaug": None, "normalize": None,
    "frontend_conf": {"fs": 8000, "n_fft": 256, "hop_length": 80, "n_mels": 20}, "encoder": "rnn",
    "encoder_conf": {"hidden_size": 16, "output_size": 16, "num_layers": 1, "subsample": [4]},
    "model_conf": {"ctc_weight": 1.0}, "best_model_criterion": [["valid", "loss", "min"]],
}  # fmt: skip


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    """A finished round of random weights, a dev and a test set of noise, and a language model of 'three one'."""
    pytest.importorskip("kenlm", reason="KenLM's Python module is not installed")
    torch = pytest.importorskip("torch")
    asr = pytest.importorskip("espnet2.tasks.asr", reason="ESPnet is not installed")
    folder = tmp_path_factory.mktemp("search")
    rng = np.random.default_rng(0)
    for name in ("dev", "test"):
        rows = []
        for i in range(3):
            path = folder / f"{name}{i}.wav"
            soundfile.write(path, 0.1 * rng.standard_normal(6000), 8000)
            rows.append((f"{name}{i}", "s", str(path), "three one"))
        kaldi.make_data_dir(rows).write(folder / "raw" / name)
    config = asr.ASRTask.get_default_config() | CONFIG
    round_0 = folder / "exp/round_00"
    round_0.mkdir(parents=True)
    (round_0 / "config.yaml").write_text(yaml.safe_dump(config))
    torch.manual_seed(0)
    model, _ = asr.ASRTask.build_model_from_file(round_0 / "config.yaml")
    torch.save(model.state_dict(), round_0 / "valid.loss.ave.pth")
    (round_0 / "done.json").write_text("{}")
    (folder / "text").write_text("three one\n" * 20 + "one two three\n")
    (folder / "tokens.txt").write_text("\n".join(TOKENS) + "\n")
    assert cli.main(ngram, ["--text", str(folder / "text"), "--out", str(folder / "lm.arpa"), "--order", "3",
                            "--token_list", str(folder / "tokens.txt")]) == 0  # fmt: skip
    (folder / "decode.yaml").write_text("beam_size: 4\nctc_weight: 1.0\n")
    return folder


def options(search: Path, *more: str) -> list[str]:
    return [str(search / "exp"), "--inference_config", str(search / "decode.yaml"), "--data", str(search / "raw"),
            "--ngram_file", str(search / "lm.arpa"), "--out", str(search / "best.yaml"), *more]  # fmt: skip


def test_the_best_point_is_written(search, capsys):
    command = options(search, "--weights", "0", "1", "20", "--penalties", "0", "2", "--json")
    assert cli.main(tune_lm, command) == 0
    printed = capsys.readouterr()
    report = json.loads(printed.out)
    points = {(row["ngram_weight"], row["penalty"]): row for row in report["points"]}
    assert ("is the largest that was tried" in printed.err) == (report["best"]["ngram_weight"] == 20)
    assert {(0, 0), (1, 0), (20, 0)} <= set(points) and len(points) == len(report["points"])
    references = kaldi.read_table(search / "raw/dev/text")
    for (weight, penalty), row in points.items():
        text = search / f"exp/round_00/decode_tune_lm/decode_{weight:g}_{penalty:g}/dev/text"
        assert total(count_texts(references, tune_lm.hypotheses(text))).errors == row["errors"]
    best = min(report["points"], key=lambda row: row["errors"])
    assert best["errors"] < points[0, 0]["errors"]  # random weights say little, the model knows the sentence
    written = yaml.safe_load((search / "best.yaml").read_text())
    assert points[written["ngram_weight"], written["penalty"]]["errors"] == best["errors"]
    assert written["ngram_file"] == str(search / "lm.arpa") and written["beam_size"] == 4
    marks = {path: path.stat().st_mtime_ns for path in search.rglob("1best_recog/text")}
    assert cli.main(tune_lm, command) == 0
    assert {path: path.stat().st_mtime_ns for path in search.rglob("1best_recog/text")} == marks
    largest = str(written["ngram_weight"])
    assert cli.main(tune_lm, options(search, "--weights", "0", largest)) == 0
    assert "is the largest that was tried: larger ones may be better" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--dev", "test"], "is a test set"),
        (["--dev", "copy"], "shares 3 utterances"),
        (["--round", "3"], "round 3 is not finished"),
        (["--ngram_file", "nowhere"], "no such language model"),
        (["--task", "mt"], "choose from"),
    ],
)
def test_bad_input_is_one_line(search, capsys, more, message):
    (search / "raw/copy").mkdir(exist_ok=True)
    (search / "raw/copy/wav.scp").write_bytes((search / "raw/test/wav.scp").read_bytes())
    assert cli.main(tune_lm, options(search, *more)) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_no_language_model_at_all(search, capsys):
    command = options(search)
    del command[5:7]
    assert cli.main(tune_lm, command) == 1
    assert "no language model in it" in capsys.readouterr().err
