"""Stages 9 and 10: what run.sh asks of export and share."""

import shlex
import subprocess
from pathlib import Path

import pytest

from audio_lottery.bin import cli, export, share

EXP = "exp/asr_conformer_word_imp"


@pytest.fixture
def scored(tree: Path) -> Path:
    """A recipe after stage 8, as far as run.sh looks."""
    for name in ("train", "dev", "test"):
        (tree / "dump/raw" / name).mkdir(parents=True)
        (tree / "dump/raw" / name / "wav.scp").touch()
    needed = ["data/token_list/word/tokens.txt", "exp/asr_stats_raw_word/.done", f"{EXP}/rounds.jsonl",
              f"{EXP}/errors.jsonl", *(f"{EXP}/round_00/decode_asr/{name}/text" for name in ("dev", "test"))]
    for name in needed:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).touch()
    return tree


def run(tree: Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run(["./run.sh", *options], cwd=tree, capture_output=True, text=True, check=False)


def parsed(module, words: list[str]):
    parser = cli.Parser()
    module.add_arguments(parser)
    return parser.parse_args(words[1:])


def test_the_chosen_ticket_is_exported_and_shared(scored):
    done = run(scored, "--stage", "9", "--stop_stage", "10", "--export_round", "best", "--share_opts",
               "--license cc-by-4.0 --datasets 'My Corpus'")
    assert done.returncode == 0, done.stderr
    calls = [shlex.split(line) for line in done.stdout.splitlines() if line.startswith(("export", "share"))]
    assert [call[0] for call in calls] == ["export", "share"]
    exported, shared = parsed(export, calls[0]), parsed(share, calls[1])
    for one in (exported, shared):
        assert (str(one.exp), one.round, one.dev, one.inference_tag) == (EXP, "best", "dev", "asr")
    assert (str(shared.out), shared.license, shared.datasets) == (f"{EXP}/share", "cc-by-4.0", ["My Corpus"])


def test_both_are_done_only_when_asked_for_and_after_scoring(scored):
    assert "stage 9" not in run(scored, "--stage", "8").stdout
    (scored / EXP / "errors.jsonl").unlink()
    done = run(scored, "--stage", "9", "--stop_stage", "9")
    assert done.returncode == 1 and "errors.jsonl is missing: run stage 8 first" in done.stderr
