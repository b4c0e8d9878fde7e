"""The ngram command, its file in KenLM and in ESPnet's own scorer, and its messages."""

import json
import os
import shutil
import stat
from pathlib import Path

import pytest

from audio_lottery.bin import cli, ngram
from audio_lottery.data.tokens import make_tokens
from audio_lottery.lm.query import Arpa

TEXT = Path(__file__).parents[1] / "lm/reference/text"


@pytest.fixture
def transcripts(tmp_path):
    path = tmp_path / "text"
    path.write_text("".join(f"u{i:03d} {line}\n" for i, line in enumerate(TEXT.read_text().splitlines())))
    return path


def test_estimates_and_evaluates(tmp_path, capsys):
    out = tmp_path / "new/lm.arpa"
    command = ["--text", str(TEXT), "--out", str(out), "--order", "4", "--prune", "0 0 1", "--method", "python"]
    assert cli.main(ngram, [*command, "--evaluate", str(TEXT), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["ngrams"] == [len(grams) for grams in Arpa.read(out).grams]
    assert report["evaluations"][0]["oov"] == 0
    assert 1 < report["evaluations"][0]["perplexity"] < 20
    first = out.read_bytes()
    assert cli.main(ngram, command) == 0
    assert out.read_bytes() == first
    assert cli.main(ngram, ["--out", str(out), "--evaluate", str(TEXT)]) == 0
    assert "perplexity" in capsys.readouterr().out


@pytest.mark.parametrize("token_type", ["char", "bpe", "word"])
def test_espnets_scorer_takes_it(tmp_path, transcripts, token_type):
    pytest.importorskip("kenlm", reason="KenLM's Python module is not installed")
    torch = pytest.importorskip("torch")
    scorers = pytest.importorskip("espnet2.legacy.nets.scorers.ngram", reason="ESPnet is not installed")
    make_tokens(transcripts, tmp_path / "tokens", token_type, 40)
    out, token_list = tmp_path / "lm.arpa", tmp_path / "tokens/tokens.txt"
    command = ["--text", str(transcripts), "--utt_ids", "true", "--out", str(out), "--order", "3",
               "--token_type", token_type, "--token_list", str(token_list)]  # fmt: skip
    if token_type == "bpe":
        command += ["--bpemodel", str(tmp_path / "tokens/bpe.model")]
    assert cli.main(ngram, command) == 0
    tokens = token_list.read_text().split("\n")[:-1]
    model = Arpa.read(out)
    scorer = scorers.NgramFullScorer(str(out), tokens)
    x = torch.zeros(1)
    state, prefix, history = scorer.init_state(x), [len(tokens) - 1], ["<s>"]
    for token in tokens[2:6]:
        scores, state = scorer.score(torch.tensor(prefix), state, x)
        expected = [model.log10(t, history) for t in tokens]
        assert scores.tolist() == pytest.approx(expected, abs=1e-5)
        # The list's own end symbol has the probability of a sentence end, so the list sums to 1:
        # what the text never needed (<blank>, a piece or two) has the probability of <unk>.
        assert model.log10("<sos/eos>", history) == model.log10("</s>", history)
        known = [10**s for s, t in zip(scores.tolist(), tokens, strict=True) if t in model]
        assert sum(known) == pytest.approx(1, abs=1e-4)
        prefix.append(tokens.index(token))
        history.append(token)
    part = scorers.NgramPartScorer(str(out), tokens)
    some = torch.tensor([2, 4, len(tokens) - 1])
    scores, _ = part.score_partial(torch.tensor(prefix[:1]), some, part.init_state(x), x)
    assert scores.tolist() == pytest.approx([model.log10(tokens[i], ["<s>"]) for i in some], abs=1e-5)


@pytest.fixture
def fake_lmplz(tmp_path, monkeypatch):
    """A program of lmplz's name and options that hands out a file lmplz made."""
    def install(script: str):
        program = tmp_path / "bin/lmplz"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return install


def test_lmplz_is_used_where_it_is_on_path(tmp_path, fake_lmplz, capsys):
    reference = TEXT.parent / "order3.arpa"
    fake_lmplz(f'echo "$@" > {tmp_path}/options\nwhile [ "$1" != --arpa ]; do shift; done\ncp {reference} "$2"')
    out = tmp_path / "lm.arpa"
    assert cli.main(ngram, ["--text", str(TEXT), "--out", str(out), "--prune", "0 1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["method"] == "lmplz"
    assert out.read_bytes() == reference.read_bytes()
    assert "-o 3 -S 20% --discount_fallback --prune 0 1 1" in (tmp_path / "options").read_text()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".lmplz")] == []


def test_lmplz_that_fails_is_one_line(tmp_path, fake_lmplz, capsys):
    fake_lmplz("echo bad luck >&2; exit 3")
    assert cli.main(ngram, ["--text", str(TEXT), "--out", str(tmp_path / "lm.arpa")]) == 1
    assert "status 3, bad luck" in capsys.readouterr().err
    assert not (tmp_path / "lm.arpa").exists()


@pytest.mark.skipif(not shutil.which("lmplz"), reason="lmplz is not on PATH")
def test_the_real_lmplz_gives_the_same(tmp_path):
    models = []
    for method in ("lmplz", "python"):
        out = tmp_path / method
        assert cli.main(ngram, ["--text", str(TEXT), "--out", str(out), "--order", "4", "--method", method]) == 0
        models.append(Arpa.read(out))
    for theirs, ours in zip(models[0].grams, models[1].grams, strict=True):
        assert theirs.keys() == ours.keys()
        for gram, values in theirs.items():
            assert ours[gram] == pytest.approx(values, abs=5e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--text", "nowhere"], "nowhere: No such file"),
        (["--text", str(TEXT), "--prune", "a"], "--prune a"),
        (["--text", str(TEXT), "--prune", "1 0"], "non-decreasing"),
        (["--text", str(TEXT), "--order", "2", "--discount_fallback", "false"], "--discount_fallback true"),
        (["--text", str(TEXT), "--token_type", "bpe"], "--bpemodel"),
        (["--evaluate", str(TEXT)], "no such language model"),
        ([], "nothing to do"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, options, message):
    assert cli.main(ngram, ["--out", str(tmp_path / "lm.arpa"), "--method", "python", *options]) == 1
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1


def test_tokens_of_another_recipe(tmp_path, transcripts, capsys):
    make_tokens(transcripts, tmp_path / "tokens", "char", 0)
    options = ["--text", str(TEXT), "--out", str(tmp_path / "lm"), "--token_list", str(tmp_path / "tokens/tokens.txt")]
    assert cli.main(ngram, options) == 1
    assert "of one recipe" in capsys.readouterr().err
