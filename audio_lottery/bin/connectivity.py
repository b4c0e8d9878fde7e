"""Linear mode connectivity of two trained tickets: dev scores along the line between their weights.

Each is EXP:ROUND, EXP (its latest round) or an ESPnet experiment folder; both of one architecture. The barrier is
the highest error on the line minus the mean of its ends (Frankle et al., ICML 2020): about 0 says that both lie in
one region of low error. Batch norms are re-estimated at every point, the ends too, from batches of the training
set; say --batch_norm interpolated to take the mean of both models' statistics instead. Run it in the folder that
the search was run in: data is found by the first round's config.yaml.
"""

import sys

from audio_lottery.bin import cli
from audio_lottery.data.options import integer


def add_arguments(parser) -> None:
    """The two models, and how to score."""
    parser.add_argument("first", metavar="A", help="EXP:ROUND, EXP or an ESPnet experiment folder")
    parser.add_argument("second", metavar="B", help="the same")
    parser.add_argument("--points", type=integer(2), default=11, help="points on the line, its ends too")
    parser.add_argument("--batches", type=integer(1), default=None, help="batches of dev [all]")
    parser.add_argument("--batch_norm", choices=("reestimated", "interpolated"), default="reestimated",
                        help="what becomes of batch norms' statistics")
    parser.add_argument("--norm_batches", type=integer(1), default=20, help="training batches to re-estimate them from")
    parser.add_argument("--model_file", help="model in both folders, like latest.pth [the average of the n best]")
    parser.add_argument("--task", default="auto", help="ESPnet task: asr, asr_transducer, st, s2t; auto: read off "
                        "the configuration")
    parser.add_argument("--report", metavar="DIR", help="write connectivity.json, .csv and .png there")
    cli.add_json(parser)


def run(args) -> None:
    """Score the line, print it and write it if asked."""
    from pathlib import Path

    from audio_lottery.connectivity import barrier
    from audio_lottery.espnet.line import RISING, scores_along
    from audio_lottery.espnet.versions import require
    from audio_lottery.fileio import write_csv, write_json
    from audio_lottery.report.line_plot import plot_line
    from audio_lottery.report.matrix import short
    from audio_lottery.tickets import round_folder

    require()

    def tell(row: dict) -> None:
        if not args.json:
            scores = ", ".join(f"{key} {row[key]:.4g}" for key in row if key != "share")
            print(f"{row['share']:.2f}  {scores}", flush=True)

    found = scores_along(round_folder(args.first), round_folder(args.second), args.points, args.task, args.batches,
                         args.batch_norm, args.norm_batches, args.model_file, tell)
    rows = found["points"]
    barriers = {key: barrier([row[key] for row in rows], key not in RISING) for key in rows[0] if key != "share"}
    result = {"first": args.first, "second": args.second, "barriers": barriers, **found}
    if args.report:
        folder = Path(args.report)
        write_json(folder / "connectivity.json", result)
        write_csv(folder / "connectivity.csv", rows)
        plot_line(rows, barriers, short([args.first, args.second]), folder / "connectivity.png")
    if args.json:
        cli.print_json(result)
        return
    how = f"; batch norms {found['batch_norm']}" if found["batch_norm"] else ""
    print("barrier: " + ", ".join(f"{key} {height:.4g}" for key, height in barriers.items()) + how)


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
