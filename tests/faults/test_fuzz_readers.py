"""Mutated files: every reader of ours gives a valid result or one LotteryError; never another exception, a hang,
or memory without bounds. A few thousand mutations; AUDIO_LOTTERY_FAULTS=full makes fifty times as many."""

import json
import resource
import signal
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml

from audio_lottery import config, config_file, fileio, snapshot
from audio_lottery.data import audio, commonvoice, features, kaldi, tedlium, tokens
from audio_lottery.errors import LotteryError
from audio_lottery.export.folder import read_config
from audio_lottery.ledger import Ledger
from audio_lottery.lm import text
from audio_lottery.lm.query import Arpa, unigrams
from audio_lottery.mask import Mask
from audio_lottery.metrics import errors
from audio_lottery.metrics.sclite import parse_result
from audio_lottery.metrics.trn import read_kaldi, read_trn
from audio_lottery.noise.sources import Recordings
from audio_lottery.report.table import collect, to_markdown, to_text
from audio_lottery.search.plan import Plan

SECONDS, MEMORY = 10.0, 512 << 20  # of the processor's time a file; beyond what is taken already
EVIL = [b"\xff\xfe", b"\0" * 8, b"\xff" * 8,
        b"[" * 3000, b"{" * 3000, b'"', b"-1", b"1e999", b"9" * 5000,
        b"NaN", b"null", b"true", b"{}", b"[]", b"\\ud800", b"../../x", b"$(touch touched)", b"\r",
        b"\xe2\x80\xa8", b"\n", b"\t", b" ",
        b"|", b"!!python/object/apply:os.system [touch touched]", b"&a [*a]", b"99999999999999", b"2001-99-99",
        b":", b"- ", b"<<: *x"]
SCORE = {"wer": 9.5, "errors": 3, "words": 30, "ci": [1.0, 12.0], "scorer": "sclite", "p_worse": 0.3, "matches": True,
         "alpha": 0.05, "test": "permutation", "cer": 4.0}
ARPA = b"""\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-0.5\tone\t-0.3
-0.7\ttwo\t-0.2
-1.0\t<s>\t-0.4
-0.9\t</s>

\\2-grams:
-0.2\t<s> one
-0.3\tone two

\\end\\
"""
TABLES = {"wav.scp": b"r1 a b.wav\nr2 c.wav\n", "text": b"u1 one two\nu2 three\n", "utt2spk": b"u1 s\nu2 s\n",
          "spk2utt": b"s u1 u2\n", "segments": b"u1 r1 0 1.5\nu2 r2 0.5 -1\n"}


def kaldi_folder(path: Path) -> None:
    for name, content in TABLES.items():
        if name != path.name:
            (path.parent / name).write_bytes(content)
    kaldi.DataDir.read(path.parent).subset(["u1"])


def stm(path: Path) -> None:
    for name in ("train", "dev", "test"):
        for kind in ("sph", "stm"):
            (path.parent / name / kind).mkdir(parents=True, exist_ok=True)
        (path.parent / name / f"sph/{name}.sph").touch()
        (path.parent / name / f"stm/{name}.stm").write_text(f"{name} 1 {name} 0.5 1.5 <o,f0> hello\n")
    (path.parent / "train/sph/talk.sph").touch()
    (path.parent / "train/stm/talk.stm").write_bytes(path.read_bytes())
    tedlium.prepare_tedlium(path.parent, path.parent / "out", "2")


def tsv(path: Path) -> None:
    (path.parent / "clips").mkdir(exist_ok=True)
    for name in ("a.mp3", "b.mp3", "c.mp3", "d.mp3"):
        (path.parent / "clips" / name).touch()
    for name in ("dev", "test"):
        clip = {"dev": "c", "test": "d"}[name]
        (path.parent / f"{name}.tsv").write_text(f"client_id\tpath\tsentence\n{name}\t{clip}.mp3\thi\n")
    commonvoice.prepare_commonvoice(path.parent, path.parent / "out", "en")


def table(path: Path) -> None:
    results = collect(Ledger(path).rows)
    to_text(results), to_markdown(results), json.dumps(results.to_json())


def noise(path: Path) -> None:
    Recordings(path.parent, "all").draw(np.random.default_rng(0), 400, 8000)


def samples(path: Path) -> None:
    audio.probe(path)
    audio.read(path)


def saved(write: Callable[[Path], object], tmp: Path, name: str = "made") -> bytes:
    write(tmp / name)
    return (tmp / name).read_bytes()


def sound(tmp: Path, name: str, **how) -> bytes:
    tone = np.sin(np.arange(3000) / 7) / 2
    return saved(lambda path: soundfile.write(path, tone, 8000, **how), tmp, name)


def rows(*made: dict) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in made).encode()


def lottery() -> bytes:
    return yaml.safe_dump(config.LotteryConfig(rounds=3, only_rounds=None, schedule_conf={}).to_dict()).encode()


# name of the file -> (a good one: (folder for work) -> bytes, the reader)
READERS: dict[str, tuple[Callable[[Path], bytes], Callable[[Path], object]]] = {
    **{name: (lambda tmp, content=content: content, kaldi_folder) for name, content in TABLES.items()},
    "hyp": (lambda tmp: TABLES["text"], lambda path: read_kaldi(path, empty=True)),
    "ref.trn": (lambda tmp: b"one two\t(s-u1)\nthree\t(s-u2)\n", read_trn),
    "talk.stm": (lambda tmp: b";; x\ntalk 1 talk 0.5 2.5 <o,f0,male> hello (2) world\ntalk 1 talk 3 4 <NA> it 's\n",
                 stm),
    "train.tsv": (lambda tmp: b"client_id\tpath\tsentence\tlocale\nx\ta.mp3\tHi there.\ten\ny\tb.mp3\tNo!\ten\n", tsv),
    "x.arpa": (lambda tmp: ARPA, lambda path: Arpa.read(path).sentence(["one", "two", "six"])),
    "y.arpa": (lambda tmp: ARPA, unigrams),
    "tokens.arpa": (lambda tmp: ARPA, lambda path: text.check_tokens(path, ["one", "two"], "tokens.txt")),
    "mask.safetensors": (lambda tmp: saved(Mask({"a": torch.rand(5, 7) > 0.5, "b": torch.rand(9) > 0.5}).save, tmp),
                         Mask.load),
    "theta0.safetensors": (lambda tmp: saved(lambda path: snapshot.save(path, {"a": torch.rand(5)}, {"k": "0"}), tmp),
                           lambda path: (snapshot.load(path), snapshot.metadata(path))),
    "rounds.jsonl": (lambda tmp: rows(*({"round": n, "density_scope": 0.8**n, "density_whole": 0.9**n, "steps": 9,
                                         "macs": {"seconds": 10.0, "dense": 100, "sparse": 50}, "valid": {"loss": 1},
                                         "scores": {"asr": {"dev": SCORE, "test": SCORE}}} for n in range(2))), table),
    "errors.jsonl": (lambda tmp: rows({"inference": "a", "set": "dev", "utterances": ["u1", "u2"], "words": [3, 4]},
                                      {"inference": "a", "set": "dev", "round": 0, "errors": [1, 2]}),
                     lambda path: errors.read(path.parent, 0, "a", "dev", {"errors": 3})),
    "lottery.yaml": (lambda tmp: lottery(), config_file.load),
    "resolved.yaml": (lambda tmp: lottery(), config_file.load),
    "decode.yaml": (lambda tmp: b"beam_size: 3\nctc_weight: 1.0\nnames: &x [a, b]\nmore: *x\n", fileio.read_yaml),
    "config.yaml": (lambda tmp: b"encoder: conformer\nencoder_conf: {output_size: 16}\ntoken_list: [a, b]\n",
                    fileio.read_yaml),
    "model.yaml": (lambda tmp: b"encoder: conformer\ntoken_list: [a, b]\nmodel_conf: &x {a: 1}\nmore: {<<: *x}\n",
                   read_config),
    "search.json": (lambda tmp: saved(Plan("exp", 1, ("a",), config_length(), {"a": 1.0}).save, tmp), Plan.load),
    "feats.json": (lambda tmp: b'{"frontend_conf": {}, "features": {"size": 20, "hop": 80, "rate": 8000}}',
                   lambda path: features.read_features(path.parent)),
    "tokens.txt": (lambda tmp: b"<blank>\n<unk>\none\n<sos/eos>\n", text.read_token_list),
    "words.txt": (lambda tmp: TABLES["text"], lambda path: tokens.make_tokens(path, path.parent / "out", "word", 5)),
    "result.txt": (lambda tmp: b"id: (s-u1)\nScores: (#C #S #D #I) 1 2 3 4\nREF: a\n",
                   lambda path: parse_result(path.read_bytes())),
    "noise.wav": (lambda tmp: sound(tmp, "n.wav"), noise),
    "x.wav": (lambda tmp: sound(tmp, "x.wav"), samples),
    "x.flac": (lambda tmp: sound(tmp, "x.flac"), samples),
    "x.ogg": (lambda tmp: sound(tmp, "x.ogg"), samples),
    "x.sph": (lambda tmp: sound(tmp, "x.sph", format="NIST"), samples),
}


def config_length():
    from audio_lottery.search import Length

    return Length(3, 10)


@pytest.fixture
def bounded():
    """No more memory than MEMORY beyond what this process has, and SECONDS of its time: then the test fails."""
    def over(number, frame):
        raise TimeoutError(f"more than {SECONDS} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before, handler = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGVTALRM, over)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, before[1]))

    def call(function, *arguments):
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            return function(*arguments)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    yield call
    resource.setrlimit(resource.RLIMIT_AS, before)
    signal.signal(signal.SIGVTALRM, handler)


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """One to three changes: something evil, a cut, a doubling, a byte, a line less or twice, an end too early."""
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, len(data) + 1))
        end, kind = at + int(rng.integers(0, 9)), int(rng.integers(7))
        if kind == 0:
            data = data[:at] + EVIL[int(rng.integers(len(EVIL)))] + data[end:]
        elif kind == 1:
            data = data[:at] + data[end:]
        elif kind == 2:
            data = data[:at] + data[at:end] * 2 + data[end:]
        elif kind == 3:
            data = data[:at] + bytes([int(rng.integers(256))]) + data[at + 1:]
        elif kind == 4:
            lines = data.split(b"\n")
            one = int(rng.integers(len(lines)))
            data = b"\n".join([*lines[:one], *lines[one:one + 1] * int(rng.choice([0, 2])), *lines[one + 1:]])
        elif kind == 5:
            data = data[:at]
        elif at < len(data):
            data = data[:at] + bytes([data[at] ^ (1 << int(rng.integers(8)))]) + data[at + 1:]
    return data


@pytest.mark.parametrize("name", READERS)
def test_mutated_files(bounded, full, tmp_path, monkeypatch, capfd, name):
    monkeypatch.chdir(tmp_path)
    make, read = READERS[name]
    torch.manual_seed(0)
    (tmp_path / "made").mkdir()
    good, folder = make(tmp_path / "made"), tmp_path / "read"
    folder.mkdir()
    (folder / name).write_bytes(good)
    read(folder / name)
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    refused, count = 0, 150 * (50 if full else 1)
    for number in range(count):
        data = mutate(good, rng)
        (folder / name).write_bytes(data)
        try:
            bounded(read, folder / name)
        except LotteryError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 10_000
        except Exception as error:
            raise AssertionError(f"mutation {number}: {type(error).__name__}: {error}: {data[:3000]!r}") from error
    capfd.readouterr()
    assert refused >= count // 50 or name == "result.txt", refused  # what is no score there is passed over
    assert not list(tmp_path.rglob("touched")), "a command in a file was run"
