"""What all commands' help has in common."""

from audio_lottery.bin import cli


def test_help_says_defaults_as_they_are_written(capsys):
    parser = cli.Parser(prog="x")
    parser.add_argument("--on", type=cli.str2bool, default=True, help="switch")
    parser.add_argument("--maybe", type=cli.str2bool, default=None, help="switch [where it is installed]")
    parser.add_argument("--weights", nargs="+", type=float, default=[0, 0.5], help="tried")
    parser.add_argument("--seed", type=int, default=0, help="number")
    parser.add_argument("--out", help="folder")
    parser.add_argument("--named", default=["a"], help="names (default: those of the set)")
    parser.add_argument("--check", action="store_true", help="flag")
    lines = [" ".join(line.split()) for line in parser.format_help().splitlines()]
    for line in ("--on true|false switch (default: true)", "--maybe true|false switch [where it is installed]",
                 "tried (default: 0 0.5)", "--seed SEED number (default: 0)", "--out OUT folder",
                 "--named NAMED names (default: those of the set)", "--check flag"):
        assert line in lines
