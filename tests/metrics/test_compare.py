"""Scoring all rounds of a search against the dense one."""

import pytest

from audio_lottery.errors import LotteryError
from audio_lottery.metrics.compare import Comparison, read_references, score_rounds

TEXTS = {f"a-{n}": f"one two three {word}" for n, word in enumerate(["four", "five", "six", "seven"] * 5)}


def write(path, texts):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{utt} {text}\n" for utt, text in texts.items()))


@pytest.fixture
def search(tmp_path):
    """References, a dense round with an error, an equal round, and one with an error in each utterance."""
    write(tmp_path / "data" / "text", TEXTS)
    write(tmp_path / "data" / "utt2spk", dict.fromkeys(TEXTS, "a"))
    dense = {**TEXTS, "a-0": "one two three"}
    rounds = {0: dense, 1: dense, 3: {utt: text + " x" for utt, text in TEXTS.items()}}
    for number, texts in rounds.items():
        write(tmp_path / f"round_{number:02d}" / "decode_greedy" / "dev" / "text", texts)
    return tmp_path


def scores(search, **options):
    return dict(score_rounds(search, "greedy", "dev", search / "data", Comparison(**options)))


def test_each_round_is_compared_with_round_0(search):
    found = scores(search)
    assert list(found) == [0, 1, 3]
    assert [found[n]["matches"] for n in found] == [True, True, False]
    assert [found[n]["errors"] for n in found] == [1, 1, 20]
    assert found[0]["words"] == 80
    assert found[0]["wer"] == pytest.approx(1.25)
    assert found[0]["del"] == 1
    assert found[3]["ins"] == 20
    assert found[1]["p_worse"] == 1.0
    assert found[3]["p_worse"] < 0.001
    assert found[0]["ci"][0] == 0 <= found[0]["wer"] <= found[0]["ci"][1]
    assert found[0]["cer"] == pytest.approx(100 * 5 / sum(len(text) for text in TEXTS.values()))
    assert (search / "round_03" / "decode_greedy" / "dev" / "score_wer" / "result.txt").stat().st_size
    assert (search / "round_03" / "decode_greedy" / "dev" / "score_cer" / "result.txt").stat().st_size
    assert scores(search) == found


def test_test_level_and_margin(search):
    assert scores(search, alpha=1e-9)[3]["matches"]
    assert not scores(search, alpha=1e-9, margin=5.0)[3]["matches"]
    assert scores(search, test="mapsswe")[3]["p_worse"] < 1e-9


def test_without_the_dense_model_nothing_is_said_to_match(search):
    (search / "round_00" / "decode_greedy" / "dev" / "text").unlink()
    found = scores(search)
    assert [(found[n]["matches"], found[n]["p_worse"]) for n in (1, 3)] == [(None, None)] * 2


def test_an_undecoded_set_yields_nothing(search):
    assert list(score_rounds(search, "beam", "dev", search / "absent", Comparison())) == []


def test_a_missing_hypothesis_is_an_error(search):
    path = search / "round_01" / "decode_greedy" / "dev" / "text"
    path.write_text("\n".join(path.read_text().splitlines()[1:]) + "\n")
    with pytest.raises(LotteryError, match="round_01/decode_greedy/dev/text: no hypothesis for a-0 of"):
        scores(search)


def test_a_speaker_is_needed(search):
    write(search / "data" / "utt2spk", {"a-0": "a"})
    with pytest.raises(LotteryError, match="utt2spk: no speaker for a-1"):
        read_references(search / "data")
