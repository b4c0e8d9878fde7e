"""The part of RESULTS.md that compares the engine with ESPnet."""

from audio_lottery.fileio import write_jsonl
from audio_lottery.report import parity
from audio_lottery.report.evidence_tables import table

OTHER = {"utterance": "u7", "reference": "ONE", "espnet": "ONE", "engine": "NINE"}


def row(different: list[dict], decoded: list[dict]) -> dict:
    one = {"file_bytes": 1000, "times_smaller": 4.0, "wer": 10.0, "errors": 2, "features": 1e-5, "encoder": 2e-6}
    return {"model": "Conformer, CTC", "exp": "imp", "round": 3, "set": "test", "utterances": 20, "words": 20,
            "search": "greedy", "scorer": "sclite", "dense_bytes": 4000, "espnet": {"wer": 5.0, "errors": 1},
            "values": {"fp32": {**one, "different": []}, "int8": {**one, "different": different}},
            "inference": {"asr": {"wer": 0.0, "errors": 0, "different": decoded, "of_search": len(decoded)}}}


def text(root, *rows: dict) -> str:
    write_jsonl(root / parity.FILE, [{"processor": "a chip", "rows": list(rows)}])
    return "\n\n".join(parity.section(root, table))


def test_every_differing_text_is_counted_and_shown(tmp_path):
    found = text(tmp_path, row([OTHER], [OTHER]))
    assert "| Conformer, CTC | 3 | greedy | test, 20 | dense fp32 | 4,000 | 1.0 | - | - | - | - |" in found
    assert "| int8 | 1,000 | 4.0 | 5.0 | 10.0 | 1 | 2.0e-06 |" in found
    assert "- Conformer, CTC, int8, u7: ESPnet “ONE”, engine “NINE”, said “ONE”" in found
    assert "| Conformer, CTC | decode_asr | 0.0 | 10.0 | 1 of 20 | 1 |" in found
    assert "- Conformer, CTC, decode_asr, u7:" in found and "No text differs" not in found


def test_two_sizes_of_a_model_are_told_apart(tmp_path):
    found = text(tmp_path, row([], []), row([OTHER], []) | {"dense_bytes": 14324104})
    assert "| Conformer, CTC, 0.0 MB dense | 3 |" in found and "- Conformer, CTC, 14.3 MB dense, int8, u7:" in found


def test_no_difference_and_no_measurement_are_said(tmp_path):
    assert "No comparison is kept" in "".join(parity.section(tmp_path, table))
    assert text(tmp_path, row([], [])).count("No text differs.") == 2
