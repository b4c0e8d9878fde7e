"""Write the report of a search as one HTML page that needs no network, with its pictures as PNG and SVG files.

Several EXP are the seeds (or folds) of one search and are pooled. --compare adds methods and controls, transferred
tickets, or the same search trained with noise. What is on disk is shown: ledgers alone give WER, cost and comparison;
round folders add dev curves, file sizes and changed utterances; masks add density and overlap. The page may be moved
together with its folder; players need the audio where it lay.
"""

import argparse
import sys
from pathlib import Path

from audio_lottery.bin import cli


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("exp", metavar="EXP", nargs="+", help="folder of a search; several are its seeds")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for index.html and the pictures")
    parser.add_argument("--compare", nargs="+", action="append", default=[], metavar=("NAME", "EXP"),
                        help="a method's name and its searches, one a seed; may be given again")
    parser.add_argument("--name", help="what the search is called; the first folder's name by default")
    parser.add_argument("--dev", default="dev", help="the set on which tickets are chosen")
    parser.add_argument("--inference_tag", help="which inference; the only one scored by default")
    parser.add_argument("--data", metavar="DIR", help="folder with SET/wav.scp, like dump/raw: adds audio players")
    parser.add_argument("--sizes", choices=("none", "fp32", "fp16", "int8"), default="fp16",
                        help="pack each round like this to state its file size; none: leave sizes out")
    parser.add_argument("--benchmark", nargs="+", default=[], metavar="FILE",
                        help="what benchmarks printed; their last line is a JSON object")
    parser.add_argument("--command", action="append", default=[], metavar="LINE",
                        help="a command line that the page shall show; may be given again")
    cli.add_json(parser)


def run(args: argparse.Namespace) -> None:
    """Write the page."""
    from audio_lottery import commands
    from audio_lottery.errors import LotteryError
    from audio_lottery.fileio import write_text
    from audio_lottery.report.html.inputs import Inputs
    from audio_lottery.report.html.render import render
    from audio_lottery.report.html.sections import build

    exps = [Path(exp) for exp in args.exp]
    name, others = args.name or exps[0].resolve().name, {}
    for method, *folders in args.compare:
        if not folders or method in (name, *others):
            raise LotteryError(f"--compare {method}: {'is named twice' if folders else 'no folder'}: write "
                               "--compare NAME EXP ...")
        others[method] = [Path(folder) for folder in folders]
    lines = args.command if len(exps) > 1 else commands.together(exps[0], args.command)
    inputs = Inputs(name, exps, Path(args.out), others, args.dev, args.inference_tag,
                    Path(args.data) if args.data else None, None if args.sizes == "none" else args.sizes,
                    [Path(path) for path in args.benchmark], lines)
    rounds = len([row for row in inputs.results.rows if row["round"]])
    subtitle = (f"dense model and {rounds} round{'s' * (rounds != 1)}; {len(exps)} search{'es' if exps[1:] else ''}; "
                "made by audio_lottery")
    page = inputs.out / "index.html"
    write_text(page, render(name, subtitle, list(build(inputs))))
    if args.json:
        cli.print_json({"page": str(page), "files": sorted(path.name for path in inputs.out.iterdir())})
        return
    print(f"report: {page}")


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
