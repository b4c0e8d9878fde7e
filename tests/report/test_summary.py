"""RESULTS.md."""

from audio_lottery.report.summary import cpu_model, write_report
from audio_lottery.report.table import collect

ROW = {
    "round": 0, "density_scope": 1.0, "density_whole": 1.0, "seed": 7, "epochs": 15, "rate": 0.2,
    "train_seconds": 12.6, "versions": {"espnet": "202611", "torch": "2.14.1"}, "git": "abcdef",
}
SCORE = {"wer": 10.0, "ci": [9.0, 11.0], "p_worse": 1.0, "matches": True, "scorer": "sclite",
         "utterances": 20, "words": 80, "test": "permutation", "alpha": 0.05}


def test_the_page_tells_how_to_make_it_again(tmp_path):
    rows = [{**ROW, "scores": {"greedy": {"dev": SCORE}}}]
    written = write_report(collect(rows), tmp_path / "report", "imp_digits", ["./run.sh --stage 5"])
    assert [path.name for path in written] == ["RESULTS.md", "wer.png"]
    assert all(path.is_file() for path in written)
    page = written[0].read_text()
    expected = ["# imp_digits", "10.0 [9.0, 11.0]", "![WER against remaining weights](wer.png)", "rate 0.2",
                "15 epochs a round", "seed 7", "13 s", "espnet 202611", "abcdef", cpu_model(),
                "dev: 20 utterances, 80 words", "paired permutation test", "```sh\n./run.sh --stage 5\n```"]
    for text in expected:
        assert text in page


def test_the_page_tells_what_a_ticket_costs(tmp_path):
    macs = {"seconds": 10.0, "dense": 100, "sparse": 50}
    rows = [{**ROW, "round": number, "steps": 40, "macs": macs, "density_scope": 1 - number / 4,
             "scores": {"greedy": {"dev": SCORE | {"wer": 10.0 - number}}}} for number in range(3)]
    page = write_report(collect(rows), tmp_path, "imp")[0].read_text()
    assert "best ticket: 120 training steps, as 60 of the dense model, 80 of them to find it" in page


def test_before_scoring_there_is_a_page_without_picture(tmp_path):
    written = write_report(collect([{"round": 0}]), tmp_path, "imp")
    assert [path.name for path in written] == ["RESULTS.md"]
    assert "Scoring: none yet" in written[0].read_text()


def test_cpu_model_is_named():
    assert cpu_model().strip()
