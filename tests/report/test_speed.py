"""benchmarks/RESULTS.md from what benchmarks printed."""

import pytest

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import write_jsonl, write_text
from audio_lottery.report import speed


def kept(root, name, *objects):
    write_jsonl(root / "benchmarks" / "results" / f"{name}.jsonl", objects)


def encoder(frames, sparse, **more):
    return {"density": 0.1, "threads": 1, "frames": frames, "torch ms": 50.0, "sparse": sparse} | more


def test_the_table_and_what_made_it(tmp_path):
    kept(tmp_path, "engine_lstm", {
        "command": "python benchmarks/engine_lstm.py --turns 3", "date": "2026-01-02", "processor": "a chip, vnni",
        "instruction set": "processor has avx2", "versions": {"torch": "2.0"}, "threads": 1,
        "rows": [{"density": 0.1, "ms": 1.256}, {"density": 0.2, "sparse": 4.0}]})  # fmt: skip
    (path, text), = speed.pages(tmp_path).items()
    assert path == tmp_path / "benchmarks" / "RESULTS.md"
    assert "```sh\npython benchmarks/engine_lstm.py --turns 3\n```" in text
    assert "2026-01-02; a chip, vnni; processor has avx2; torch 2.0; threads 1" in text
    assert "| density | ms | sparse |" in text and "| 0.1 | 1.26 | - |" in text and "| 0.2 | - | 4 |" in text


def test_goals_are_judged_by_the_least(tmp_path):
    kept(tmp_path, "engine_encoder",
         {"rows": [encoder(100, 7.0, **{"ORT fp32": 2.0, "ORT int8": 4.0}), encoder(16, 12.0),
                   encoder(100, 1.0) | {"threads": 2}, encoder(100, 1.0) | {"density": 0.2}]})  # fmt: skip
    kept(tmp_path, "engine_lstm", {"rows": [
        {"density": 0.1, "threads": threads, "sparse": sparse} for threads, sparse in ((1, 6.0), (1, 4.5), (2, 3.0))]})
    kept(tmp_path, "import_time", {"rows": [{"import": "numpy", "seconds": 0.1},
                                            {"import": "audio_lottery.engine", "seconds": 0.35}]})
    found = {}
    for line in speed.goals(tmp_path).splitlines()[2:]:
        what, *rest = (cell.strip() for cell in line.strip("|").split("|"))
        found[what] = rest
    start = "encoder, density 0.1"
    assert found[f"{start}, 100 frames, one thread: over torch"] == ["5", "7.00", "yes"]
    assert found[f"{start}, 100 frames, one thread: over ORT fp32"] == ["3", "3.50", "yes"]
    assert found[f"{start}, 100 frames, one thread: over ORT int8"] == ["1.8", "1.75", "**no**"]
    assert found[f"{start}, 16 frames, one thread: over torch"] == ["10", "12.00", "yes"]
    assert found[f"{start}, 16 frames, one thread: over ORT int8"] == ["2.5", "-", "-"]
    assert found["LSTM stack, density 0.1, one thread: over torch"] == ["5", "4.50 to 6.00", "**no**"]
    assert found["linear layer, density 0.1, 100 frames or more, one thread: over torch"] == ["4.5", "-", "-"]
    assert found["import audio_lottery.engine: seconds, at most"] == ["0.3", "0.35", "**no**"]


def test_what_prints_no_rows_is_a_row(tmp_path):
    kept(tmp_path, "masked_step", {"threads": 1, "wall": {"ours": 1.01, "torch": 1.02}})
    text, = speed.pages(tmp_path).values()
    assert "| threads | wall ours | wall torch |" in text and "| 1 | 1.01 | 1.02 |" in text


def test_tickets_that_were_timed(tmp_path):
    rows = [{"command": name, "threads": threads, "all s": seconds * threads, "peak MB": 55.2, "audio": audio}
            for threads in (2, 1) for name, seconds, audio in
            (("engine", 0.5, 890.2), ("ESPnet", 11.5, 90.64), ("ESPnet, best path", 9.5, 241.7))]  # fmt: skip
    about = {"weights": 1071277, "density": 0.179, "files": 100, "audio_seconds": 250.9}
    kept(tmp_path, "transcribe_speed", about | {"model": "Conformer, CTC", "rows": rows},
         about | {"model": "RNN transducer", "rows": rows[3:5]})  # fmt: skip
    text = "\n\n".join(speed.section(tmp_path))
    assert "| Conformer, CTC | 1,071,277 | 17.9 | 100 (250.9 s) | 0.5 | 55.2 | 890 | 11.5 | 55.2 | 90.6 | 242 |" in text
    assert "| RNN transducer | 1,071,277 | 17.9 | 100 (250.9 s) | 0.5 | 55.2 | 890 | 11.5 | 55.2 | 90.6 | - |" in text
    assert "best path" not in "".join(speed.section(tmp_path / "other"))


def test_nothing_measured_and_no_benchmarks(tmp_path):
    assert speed.pages(tmp_path) == {}
    assert "No measurement is kept" in speed.section(tmp_path)[1]
    kept(tmp_path, "parity", {"rows": []})
    assert "No measurement is kept" in speed.pages(tmp_path)[tmp_path / "benchmarks" / "RESULTS.md"]


@pytest.mark.parametrize("line", ["[1]", '{"rows": 3}', '{"rows": [4]}', "no JSON"])
def test_what_no_benchmark_printed(tmp_path, line):
    (tmp_path / "benchmarks" / "results").mkdir(parents=True)
    write_text(tmp_path / "benchmarks" / "results" / "a.jsonl", line + "\n")
    with pytest.raises(LotteryError, match="a.jsonl"):
        speed.pages(tmp_path)
