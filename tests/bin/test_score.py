"""audio-lottery score, as a user calls it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from audio_lottery.ledger import Ledger

ROOT = Path(__file__).parents[2]
TEXTS = {f"u{n}": f"one two three {n}" for n in range(12)}


def command(name: str, *arguments: object) -> subprocess.CompletedProcess:
    line = [sys.executable, "-m", f"audio_lottery.bin.{name}", *map(str, arguments)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(line, capture_output=True, text=True, env=environment, check=False)


def write(path: Path, texts: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{utt} {text}\n" for utt, text in texts.items()))


@pytest.fixture
def search(tmp_path):
    """A search of three rounds, the last bad, decoded for dev and test, and its references."""
    for name in ("dev", "test"):
        write(tmp_path / "dump" / name / "text", TEXTS)
        write(tmp_path / "dump" / name / "utt2spk", dict.fromkeys(TEXTS, "s"))
        for number, text in enumerate([None, None, ""]):
            hypotheses = TEXTS if text is None else dict.fromkeys(TEXTS, text)
            write(tmp_path / "exp" / f"round_{number:02d}" / "decode_greedy" / name / "text", hypotheses)
    for number in range(3):
        Ledger(tmp_path / "exp").record(number, density_scope=0.8**number, density_whole=0.9**number)
    return tmp_path


def test_rounds_are_scored_recorded_and_printed(search):
    done = command("score", search / "exp", "--sets", "dev", "test", "--refs", search / "dump")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "round  0  dev: WER 0.00% [0.00, 0.00], 0 errors in 48 words (dense)"
    assert lines[1].endswith("p 1.000, matches the dense model")
    assert lines[5].endswith("p <.001, worse than the dense model")
    rows = Ledger(search / "exp").rows
    assert [row["scores"]["greedy"]["test"]["matches"] for row in rows] == [True, True, False]
    assert rows[2]["scores"]["greedy"]["dev"]["del"] == 48
    assert rows[2]["density_scope"] == pytest.approx(0.64)
    before = (search / "exp" / "rounds.jsonl").read_bytes()
    again = command("score", search / "exp", "--sets", "dev", "test", "--refs", search / "dump")
    assert again.stdout == done.stdout
    assert (search / "exp" / "rounds.jsonl").read_bytes() == before


def test_json(search):
    done = command("score", search / "exp", "--sets", "dev", "--refs", search / "dump", "--json")
    assert [(row["round"], row["set"], row["inference"]) for row in json.loads(done.stdout)] == [
        (n, "dev", "greedy") for n in range(3)
    ]


def test_only_the_named_inference_is_scored(search):
    write(search / "exp" / "round_00" / "decode_beam" / "dev" / "text", TEXTS)
    arguments = ["--sets", "dev", "--refs", search / "dump", "--inference_tag", "beam"]
    assert command("score", search / "exp", *arguments).returncode == 0
    assert list(Ledger(search / "exp").get(0)["scores"]) == ["beam"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda s: write(s / "exp/round_01/decode_greedy/dev/text", {"u0": "one"}), "no hypothesis for u1"),
        (lambda s: (s / "dump/dev/utt2spk").unlink(), "dump/dev/utt2spk: No such file"),
        (lambda s: write(s / "dump/dev/text", {"u0": ""}), "dump/dev/text:1: utterance u0 has no value"),
        (lambda s: (s / "exp/round_00/decode_greedy/dev/text").write_bytes(b"u0 \xff\n"), "not UTF-8"),
    ],
)
def test_bad_input_is_one_line(search, change, fault):
    change(search)
    done = command("score", search / "exp", "--sets", "dev", "--refs", search / "dump")
    assert done.returncode == 1
    assert fault in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("audio-lottery score: error: ")


def test_nothing_decoded_and_no_folder(search):
    done = command("score", search / "exp", "--sets", "other", "--refs", search / "dump")
    assert (done.returncode, "nothing decoded for other" in done.stderr) == (1, True)
    done = command("score", search / "absent", "--sets", "dev")
    assert (done.returncode, "no such folder" in done.stderr) == (1, True)
    done = command("score", search / "exp", "--sets", "dev", "--alpha", "2")
    assert (done.returncode, "--alpha 2.0: must lie between" in done.stderr) == (1, True)
