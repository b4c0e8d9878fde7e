"""The tokens command."""

from audio_lottery.bin import cli, tokens


def test_writes_the_list(tmp_path, capsys):
    (tmp_path / "text").write_text("u ONE TWO ONE\n")
    arguments = ["--text", str(tmp_path / "text"), "--out", str(tmp_path / "word")]
    assert cli.main(tokens, arguments) == 0
    assert (tmp_path / "word/tokens.txt").read_text() == "<blank>\n<unk>\nONE\nTWO\n<sos/eos>\n"
    assert capsys.readouterr().out == f"{tmp_path}/word/tokens.txt: 5 tokens\n"


def test_a_vocabulary_too_large_is_one_line(tmp_path, capfd):
    (tmp_path / "text").write_text("u ONE TWO ONE\n")
    arguments = ["--text", str(tmp_path / "text"), "--out", str(tmp_path / "o"), "--token_type", "bpe"]
    assert cli.main(tokens, [*arguments, "--nbpe", "500"]) == 1
    error = capfd.readouterr().err
    assert "too little text for --nbpe 500: give at most" in error and error.count("\n") == 1
    assert cli.main(tokens, ["--text", str(tmp_path / "none"), "--out", "x"]) == 1
