"""transcribe as a user calls it: a small random model over files, folders and stdin."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from audio_lottery.bin import cli, transcribe
from audio_lottery.engine import build
from audio_lottery.engine.recogniser import Recogniser
from audio_lottery.export import ticket_file

TOKENS = ["<blank>", "<unk>", "a", "b", "<space>", "<sos/eos>"]
SIZE, MELS = 16, 20


@pytest.fixture(scope="module")
def ticket(tmp_path_factory):
    """A Transformer-CTC ticket made of nothing but tensors: no torch, no ESPnet."""
    try:
        build.build()
    except build.BuildError:
        pass  # then numpy runs, and must give the same
    rng = np.random.default_rng(3)
    state = {}

    def tensor(name, *shape, value=None):
        state[name] = np.full(shape, value, np.float32) if value is not None else (
            rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]) or 1)
        ).astype(np.float32)  # fmt: skip

    tensor("frontend.logmel.melmat", 129, MELS)
    state["frontend.logmel.melmat"] = np.abs(state["frontend.logmel.melmat"])
    tensor("encoder.embed.0.weight", SIZE, MELS)
    tensor("encoder.embed.0.bias", SIZE)
    for name in ("embed.1", "encoders.0.norm1", "encoders.0.norm2", "after_norm"):
        tensor(f"encoder.{name}.weight", SIZE, value=1)
        tensor(f"encoder.{name}.bias", SIZE, value=0)
    for name, rows, cols in [
        *((f"self_attn.linear_{letter}", SIZE, SIZE) for letter in ("q", "k", "v", "out")),
        ("feed_forward.w_1", 32, SIZE), ("feed_forward.w_2", SIZE, 32),
    ]:  # fmt: skip
        tensor(f"encoder.encoders.0.{name}.weight", rows, cols)
        tensor(f"encoder.encoders.0.{name}.bias", rows)
    tensor("ctc.ctc_lo.weight", len(TOKENS), SIZE)
    tensor("ctc.ctc_lo.bias", len(TOKENS))
    config = {"encoder": "transformer", "token_type": "char", "normalize": "utterance_mvn",
              "frontend_conf": {"fs": 8000, "n_fft": 256, "hop_length": 80},
              "encoder_conf": {"output_size": SIZE, "attention_heads": 2, "num_blocks": 1,
                               "input_layer": "linear"}}  # fmt: skip
    path = tmp_path_factory.mktemp("ticket") / "a.ticket"
    ticket_file.write(path, ticket_file.make(state, {}, config, TOKENS))
    return path


@pytest.fixture
def audio(tmp_path):
    """Two files at the model's rate in a folder, one of them the other's twin at 16 kHz."""
    time = np.arange(8000) / 8000
    samples = np.sin(2 * np.pi * 300 * (1 + time) * time) * np.sin(9 * time) * 0.5
    (tmp_path / "wavs" / "b").mkdir(parents=True)
    soundfile.write(tmp_path / "wavs" / "one.wav", samples, 8000)
    soundfile.write(tmp_path / "wavs" / "b" / "two.flac", samples[:4000], 8000)
    return tmp_path / "wavs"


def call(*argv):
    return cli.main(transcribe, [str(arg) for arg in argv])


def test_a_file(ticket, audio, capsys):
    assert call(ticket, audio / "one.wav") == 0
    text = capsys.readouterr().out
    assert text.count("\n") == 1 and set(text) <= set("ab <unk>\n")
    assert call(ticket, audio / "one.wav", "--format", "json", "--threads", "2") == 0
    row = json.loads(capsys.readouterr().out)
    assert row["text"] == text.strip() and row["seconds"] == 1.0
    words = row["words"]
    assert " ".join(word["word"] for word in words) == row["text"]
    assert all(0 <= w["start"] < w["end"] <= 1.02 and w["log_prob"] <= 0 for w in words)
    assert all(a["end"] <= b["start"] for a, b in zip(words, words[1:], strict=False))
    assert call(ticket, audio / "one.wav", "--format", "ctm") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[4] for line in lines] == row["text"].split() and lines[0].startswith("one 1 ")


def test_a_folder_and_stdin(ticket, audio, capsys, monkeypatch):
    assert call(ticket, audio) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [str(audio / "b" / "two.flac"), str(audio / "one.wav")]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((audio / "one.wav").read_bytes())))
    assert call(ticket, "-") == 0
    assert capsys.readouterr().out.strip() == lines[1].split(" ", 1)[1]


def test_a_batch_says_the_same(ticket, audio, tmp_path, capsys):
    """In the same order, a file that is too short or no audio among them."""
    soundfile.write(audio / "a.wav", np.zeros(10), 8000)
    (audio / "c.wav").write_text("no audio")
    shown = []
    for size in (1, 2, 7):
        assert call(ticket, audio, audio / "one.wav", "--batch_size", size) == 1
        shown.append(capsys.readouterr())
    assert shown[0] == shown[1] == shown[2]
    assert len(shown[0].out.splitlines()) == 3 and len(shown[0].err.splitlines()) == 2
    assert call(ticket, audio, "--batch_size", 2, "--stream", "true") == 1


def test_numpy_says_the_same(ticket, audio, capsys, monkeypatch):
    call(ticket, audio / "one.wav")
    compiled = capsys.readouterr().out
    monkeypatch.setenv("AUDIO_LOTTERY_ISA", "numpy")
    call(ticket, audio / "one.wav")
    assert capsys.readouterr().out == compiled


@pytest.fixture(scope="module")
def streaming(tmp_path_factory):
    """A ticket of an LSTM that reads one way, made of nothing but tensors."""
    rng = np.random.default_rng(5)
    shapes = {"frontend.logmel.melmat": (129, MELS), "ctc.ctc_lo.weight": (len(TOKENS), SIZE),
              "ctc.ctc_lo.bias": (len(TOKENS),), "encoder.enc.0.nbrnn.weight_ih_l0": (4 * SIZE, MELS),
              "encoder.enc.0.nbrnn.weight_hh_l0": (4 * SIZE, SIZE), "encoder.enc.0.nbrnn.bias_ih_l0": (4 * SIZE,),
              "encoder.enc.0.nbrnn.bias_hh_l0": (4 * SIZE,), "encoder.enc.0.l_last.weight": (SIZE, SIZE),
              "encoder.enc.0.l_last.bias": (SIZE,)}  # fmt: skip
    state = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    state["frontend.logmel.melmat"] = np.abs(state["frontend.logmel.melmat"])
    state["ctc.ctc_lo.weight"] *= 4
    state["normalize.mean"], state["normalize.std"] = np.full(MELS, 5.7, np.float32), np.full(MELS, 1.5, np.float32)
    config = {"encoder": "rnn", "normalize": "global_mvn", "token_type": "char",
              "frontend_conf": {"fs": 8000, "n_fft": 256, "hop_length": 80},
              "encoder_conf": {"num_layers": 1, "hidden_size": SIZE, "bidirectional": False, "use_projection": False}}
    path = tmp_path_factory.mktemp("streaming") / "a.ticket"
    ticket_file.write(path, ticket_file.make(state, {}, config, TOKENS))
    return path


def test_streams_of_a_file_and_a_microphone(streaming, audio, capsys, monkeypatch):
    assert call(streaming, audio / "one.wav") == 0
    whole = capsys.readouterr().out
    assert call(streaming, audio / "one.wav", "--stream", "true") == 0
    out, err = capsys.readouterr()
    assert out == whole and err.splitlines()[-1] in whole and len(err.splitlines()) > 2
    samples, _ = soundfile.read(audio / "one.wav", dtype="int16")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(samples.astype("<i2").tobytes())))
    assert call(streaming, "-", "--stream", "true", "--format", "json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert rows[-1]["text"] == whole.strip() and rows[-1]["seconds"] == 1.0
    assert all("partial" in row for row in rows[:-1]) and len(rows) > 2


def test_a_beam_and_an_ngram_model(ticket, audio, tmp_path, capsys):
    words = "\n".join(f"-1\t{word}" for word in ("<s>", "</s>", "a", "b", "<space>"))
    (tmp_path / "one.arpa").write_text(f"\\data\\\nngram 1=5\n\n\\1-grams:\n{words}\n\n\\end\\\n")
    texts = []
    for extra in ((), ("--ngram", tmp_path / "one.arpa", "--ngram_weight", 3), ("--penalty", -3)):
        assert call(ticket, audio / "one.wav", "--beam_size", 8, *extra) == 0
        texts.append(capsys.readouterr().out.strip())
    assert len(texts[0]) > len(texts[1]) and len(texts[0]) > len(texts[2])


@pytest.mark.parametrize("rate", [11025, 16000, 44100])
def test_another_rate_is_resampled(ticket, tmp_path, capsys, rate):
    """Tones that either rate holds give the features, and the text, of the model's own rate."""
    recogniser, features = Recogniser.load(ticket), []
    for each in (8000, rate):
        time = np.arange(2 * each) / each
        tones = sum(0.1 * np.sin(2 * np.pi * pitch * time + pitch) for pitch in (250, 470, 900, 1700, 3100))
        soundfile.write(tmp_path / f"{each}.wav", tones, each)
        features.append(recogniser.features(tones, each))
        assert call(ticket, tmp_path / f"{each}.wav", "--format", "json") == 0
    assert len(features[0]) == len(features[1])
    assert np.abs(features[0] - features[1])[3:-3].max() < 0.02
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert shown[0]["seconds"] == shown[1]["seconds"] == 2.0 and shown[0]["text"] == shown[1]["text"]


def test_bad_input(ticket, audio, tmp_path, capsys):
    (audio / "bad.wav").write_bytes(b"RIFF")
    soundfile.write(audio / "short.wav", np.zeros(50), 8000)
    soundfile.write(audio / "stereo.wav", np.zeros((8000, 2)), 8000)
    assert call(ticket, audio) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2  # the good ones
    assert len(err.splitlines()) == 3 and all(word in err for word in ("bad.wav", "short.wav", "--channel"))
    (tmp_path / "empty").mkdir()
    one = audio / "one.wav"
    for argv in ((ticket, tmp_path / "empty"), (one, one), (ticket, one, "--stream", "true"),
                 (ticket, one, "--beam_size", 0), (ticket, one, "--penalty", 1),
                 (ticket, one, "--beam_size", 4, "--ngram", tmp_path / "no.arpa")):  # fmt: skip
        assert call(*argv) == 1
        assert capsys.readouterr().err.count("\n") == 1


def test_starts_without_torch_and_espnet(ticket, audio):
    code = (
        "import sys, audio_lottery.engine.recogniser as r, soundfile\n"
        f"samples, rate = soundfile.read({str(audio / 'one.wav')!r})\n"
        f"m = r.Recogniser.load({str(ticket)!r}); m.transcribe(samples, rate)\n"
        "assert not {'torch', 'espnet2', 'scipy', 'librosa'} & set(sys.modules), sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
