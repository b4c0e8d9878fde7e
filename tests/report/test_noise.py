"""WER by training, density and SNR, from ledgers."""

import csv
import io
import json

import pytest

from audio_lottery.bin import cli, noise_table
from audio_lottery.errors import LotteryError
from audio_lottery.ledger import Ledger
from audio_lottery.report import noise

SETS = {"dev": 3.0, "test": 5.0, "test_snr10": 9.0, "test_snr-5": 60.0, "test_snr2.5": 20.0}


@pytest.fixture
def searches(tmp_path):
    """Two searches of two rounds; the second training halves what noise costs, each round adds a point."""
    for name, factor in (("clean", 1.0), ("noisy", 0.5)):
        ledger = Ledger(tmp_path / name / "rounds.jsonl")
        for number in range(2):
            ledger.record(number, density_scope=0.5**number)
            for dataset, wer in SETS.items():
                wer = (wer * factor if "snr" in dataset else wer) + number
                ledger.record_score(number, "greedy", dataset, {"wer": wer, "ci": [wer - 1, wer + 1]})
    return tmp_path


def test_report(searches, capsys):
    command = [f"clean={searches}/clean", f"0 to 20 dB={searches}/noisy", "--report", str(searches / "report"),
               "--command", "./run.sh --noise_experiment true"]
    assert cli.main(noise_table, command) == 0
    table = [[cell.strip() for cell in line.split("|")[1:-1]]
             for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert table[0] == ["trained on", "round", "scope %", "clean", "10 dB", "2.5 dB", "-5 dB"]
    assert table[2] == ["clean", "0", "100.0", "5.0", "9.0", "20.0", "60.0"]
    assert table[5] == ["0 to 20 dB", "1", "50.0", "6.0", "5.5", "11.0", "31.0"]
    assert len(table) == 6
    rows = list(csv.DictReader(io.StringIO((searches / "report/noise.csv").read_text())))
    assert len(rows) == 2 * 2 * 4
    assert rows[-1] == {"set": "test", "training": "0 to 20 dB", "round": "1", "density_scope": "0.5", "snr": "-5",
                        "wer": "31.0", "ci_low": "30.0", "ci_high": "32.0"}
    assert (searches / "report/noise_test.png").read_bytes().startswith(b"\x89PNG")
    assert "./run.sh --noise_experiment true" in (searches / "report/noise.md").read_text()
    assert cli.main(noise_table, [*command[:2], "--json"]) == 0
    sets = json.loads(capsys.readouterr().out)["sets"]
    assert sets["test"][1]["wer"] == {"clean": 6.0, "10": 10.0, "2.5": 21.0, "-5": 61.0}


def test_no_panel_cuts_off_what_another_holds(searches, monkeypatch, tmp_path):
    """The second training is the worse one: its points lie above all of the first panel's."""
    drawn = []
    monkeypatch.setattr(noise, "save", lambda figure, *paths: drawn.append(figure))
    ledgers = {name: Ledger(searches / name / "rounds.jsonl").rows for name in ("noisy", "clean")}
    noise.plot(noise.collect(ledgers)["test"], tmp_path / "x.png")
    for axes in drawn[0].axes:
        bottom, top = axes.get_ylim()
        assert bottom == 0 and top > 61


def test_missing_scores_stay_blank(searches):
    rows = Ledger(searches / "clean/rounds.jsonl").rows
    del rows[1]["scores"]["greedy"]["test_snr10"]
    tables = noise.collect({"clean": rows})
    assert "| clean | 1 | 50.0 | 6.0 | - | 21.0 | 61.0 |" in noise.to_markdown(tables)
    for row in rows:
        for name in SETS:
            if "snr" in name:
                row["scores"]["greedy"].pop(name, None)
    with pytest.raises(LotteryError, match="no scores of noisy test sets"):
        noise.collect({"clean": rows})


def test_bad_input_is_one_line(searches, capsys):
    for command, message in (([f"{searches}/absent"], "no round recorded"),
                             ([f"{searches}/clean", f"{searches}/clean"], "named twice")):
        assert cli.main(noise_table, command) == 1
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
