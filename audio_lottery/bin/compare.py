"""Compare methods: WER by density with mean and spread over seeds, paired tests, cost of the search.

Each method is named with the folders of its searches, one a seed; the first method is the reference whose ticket
of the nearest density (share of the whole model) each ticket is tested against and its training steps divided by.
Ledgers and errors.jsonl are enough: results that were committed without models can be compared.
"""

import sys

from audio_lottery.bin import cli


def add_arguments(parser) -> None:
    """The methods, and what to write."""
    parser.add_argument("--method", nargs="+", action="append", required=True, metavar=("NAME", "EXP"),
                        help="a name and the folders of its searches, one a seed; may be given again")
    parser.add_argument("--inference_tag", help="which inference; the only one scored by default")
    parser.add_argument("--at", nargs="+", type=float, metavar="DENSITY",
                        help="only the tickets nearest these densities of the whole model, like 0.2")
    parser.add_argument("--report", metavar="DIR", help="write compare.md, compare.json and compare.{png,svg} there")
    cli.add_json(parser)


def run(args) -> None:
    """Print the table; write it, its data and the picture if asked."""
    from pathlib import Path

    from audio_lottery.errors import LotteryError
    from audio_lottery.fileio import write_json, write_text
    from audio_lottery.report.compare import compare
    from audio_lottery.report.compare_plot import plot
    from audio_lottery.report.compare_table import at_densities, to_json, to_markdown

    methods: dict[str, list[Path]] = {}
    for name, *folders in args.method:
        if not folders or name in methods:
            raise LotteryError(f"--method {name}: {'is given twice' if name in methods else 'no folder'}: write "
                               "--method NAME EXP ...")
        methods[name] = [Path(folder) for folder in folders]
    for density in args.at or ():
        if not 0 < density <= 1:
            raise LotteryError(f"--at {density}: not a density: give a share between 0 and 1, like 0.2")
    points = compare(methods, args.inference_tag)
    shown = at_densities(points, args.at) if args.at else points
    if args.report:
        folder = Path(args.report)
        drawn = plot(points, folder / "compare.png", folder / "compare.svg")
        picture = "\n\n![WER against remaining weights](compare.png)" if drawn else ""
        write_text(folder / "compare.md", f"{to_markdown(shown)}{picture}\n")
        write_json(folder / "compare.json", to_json(points))
    if args.json:
        cli.print_json(to_json(shown))
        return
    print(to_markdown(shown))


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
