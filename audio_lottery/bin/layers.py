"""Where a search's tickets keep their weights: density of each layer in each round, as a table and a heat map.

With --signs true, also the share of the weights that remain whose sign training changed from the initial one.
"""

import sys

from audio_lottery.bin import cli


def add_arguments(parser) -> None:
    """The search, and what to show."""
    parser.add_argument("exp", metavar="EXP", help="folder of a search")
    parser.add_argument("--by", choices=("module", "kind", "tensor"), default="module", help="what a line is")
    parser.add_argument("--signs", type=cli.str2bool, default=False, help="sign changes, too (reads the models)")
    parser.add_argument("--picture", metavar="FILE", help="draw the heat map (.png or .svg)")
    parser.add_argument("--csv", metavar="FILE", help="write a line a layer and round")
    cli.add_json(parser)


def run(args) -> None:
    """Print the table; write data and picture if asked."""
    from pathlib import Path

    from audio_lottery.fileio import write_csv
    from audio_lottery.layout import Layout
    from audio_lottery.report.layers import read_layers

    layout = Layout(Path(args.exp))
    found = read_layers(layout, args.by, _trained if args.signs else None)
    if args.csv:
        write_csv(args.csv, found.rows())
    if args.picture:
        found.plot(args.picture)
    if args.json:
        cli.print_json(found.rows())
        return
    print(found.to_text())


def _trained(folder):
    from audio_lottery.espnet.models import averaged_model_file, load_state

    return load_state(averaged_model_file(folder))


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
