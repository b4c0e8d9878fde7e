"""kill -9 at random moments of stages 1 to 4: corpus, audio, noise, filterbanks, tokens, language model, statistics."""

from pathlib import Path

import pytest

KILLS = 15
# Beside logs: marks of what is done hold times; what a killed writer left is no file of any name that is read.
PASSING = (".log", ".done", ".tmp", ".lock")


def stages(recipe, root: Path) -> list[list[str]]:
    """As run.sh calls them."""
    data, raw, fbank = root / "data", root / "dump/raw", root / "dump/fbank"
    tokens = ["--token_type", "word", "--token_list", str(root / "tokens/tokens.txt")]
    formats = [["format", "--data", str(data / name), "--dump", str(raw / name), "--fs", "8000"]
               for name in ("train", "dev", "test")]
    formats[0] += ["--speed_perturb_factors", "0.9 1.0"]
    return [
        ["prepare", "digits", "--out", str(data), "--train_strings", "8", "--dev_strings", "3", "--test_strings", "3"],
        ["validate", *(str(data / name) for name in ("train", "dev", "test"))], *formats,
        ["mix_noise", "--data", str(raw / "test"), "--out", str(raw / "test_snr5"), "--noise", "white", "--snr", "5",
         "--part", "test"],
        *(["fbank", "--data", str(raw / name), "--out", str(fbank / name), "--asr_config", str(recipe.config)]
          for name in ("dev", "test")),
        ["tokens", "--text", str(raw / "train/text"), "--out", str(root / "tokens")],
        ["ngram", "--text", str(raw / "train/text"), "--utt_ids", "true", *tokens, "--out", str(root / "exp/3.arpa")],
        ["stats", "--asr_config", str(recipe.config), "--train", str(raw / "train"), "--valid", str(raw / "dev"),
         *tokens, "--out", str(root / "exp/stats")]]


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes().replace(bytes(root), b"ROOT")
            for path in sorted(root.rglob("*"))
            if path.is_file() and not path.name.endswith(PASSING)}


@pytest.mark.timeout(14400)
def test_kills_leave_no_trace(recipe, espnet_server, kill_and_resume, full, tmp_path):
    whole, log = tmp_path / "whole", tmp_path / "log"
    answer = espnet_server.run("commands", *stages(recipe, whole), log=log)
    assert answer["status"] == 0, log.read_text()
    killed_in = []

    def start(number, kill):
        answer = espnet_server.run("commands", *stages(recipe, tmp_path / f"kill{number}"), log=log, kill=kill)
        if answer["status"] == -9:
            killed_in.append([line for line in log.read_text().splitlines() if line.startswith("== ")][-1][3:])
        return answer

    counts = kill_and_resume(start, answer["events"], 50 if full else KILLS, 0, 0.1)
    print(f"{answer['events']} events, kills of each search: {counts}, in {sorted(killed_in)}")
    for number in range(len(counts)):
        found, expected = contents(tmp_path / f"kill{number}"), contents(whole)
        assert sorted(found) == sorted(expected)
        for name in expected:
            assert found[name] == expected[name], f"{name}, killed in {killed_in}"
    assert len(set(killed_in)) > 2  # of the commands
