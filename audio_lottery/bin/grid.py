"""Run an experiment grid: many calls of recipes' run.sh, from one file, n at a time, and collect one table.

The file combines axes (seeds, methods, backbones, corpora) into cells with readable names; how it is written,
audio_lottery/grid/cells.py says. Start it in the recipe's folder, with the data prepared (stages 1 to 4) unless the
file does that. What is done is skipped and what was killed goes on, so the same command may be given again. A failed
cell stops only those that need it. Options of run.sh given here, as --feats_type raw, hold for every cell.
"""

import sys

from audio_lottery.bin import cli
from audio_lottery.data.options import integer

PASS_ON = True


def add_arguments(parser) -> None:
    """The grid, where its state goes, and how its cells are started."""
    parser.add_argument("grid", help="grid file (YAML)")
    parser.add_argument("--out", help="folder of the grid's state, logs and table [exp/NAME of the file]")
    parser.add_argument("--jobs", type=integer(1), default=1, help="cells that run at a time")
    parser.add_argument("--cmd", default="run_jobs.py", help="what starts a cell: run_jobs.py for this machine, "
                        "'slurm_jobs.py --mem 8G' or 'sge_jobs.py' for a cluster's nodes")
    parser.add_argument("--dry_run", action="store_true", help="only show the calls, in the order of their turns")
    parser.add_argument("--status", action="store_true",
                        help="only show where each cell stands, also while the grid runs, and the table so far")


def run(args) -> int:
    """Run what is left, print the table, list what failed."""
    from pathlib import Path

    from audio_lottery.grid.cells import read
    from audio_lottery.grid.state import State

    cells = read(args.grid, _options(args.rest))
    if args.dry_run:
        return _dry_run(cells)
    state = State(Path(args.out or Path("exp") / Path(args.grid).stem))
    return _status(cells, state) if args.status else _run(args, cells, state)


def _options(words: list[str]) -> dict[str, str]:
    """run.sh's options, written --name VALUE or --name=VALUE."""
    from audio_lottery.errors import LotteryError

    found, words = {}, list(words)
    while words:
        name, given, value = words.pop(0).partition("=")
        if not name.startswith("--") or not (given or words):
            raise LotteryError(f"{name}: no option of run.sh with a value: write --name VALUE")
        found[name[2:].replace("-", "_")] = value if given else words.pop(0)
    return found


def _run(args, cells, state) -> int:
    import shlex
    import shutil
    import signal

    from audio_lottery.errors import LotteryError
    from audio_lottery.grid.progress import Progress
    from audio_lottery.grid.run import Grid, starters
    from audio_lottery.lock import locked

    for cell in cells:
        if not (cell.recipe / "run.sh").is_file():
            raise LotteryError(f"{cell.name}: no run.sh in {cell.recipe.resolve()}: start in a recipe's folder")
    name, *options = shlex.split(args.cmd) or [""]
    starter = shutil.which(name, path=starters()) or shutil.which(name)
    if starter is None:
        raise LotteryError(f"--cmd {args.cmd}: no such program in {starters()} or on PATH")
    progress = Progress(len(cells))
    grid = Grid(cells, state, [starter, *options], args.jobs, progress.tell, progress.look)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends the cells as Ctrl-C does
    with locked(state.folder, "grid"):
        grid.run()
        progress.end(grid)
        try:
            _show_table(cells, state)
        finally:
            for name, reason in grid.failed.items():
                print(f"audio-lottery grid: error: {name}: {reason}", file=sys.stderr)
    return 1 if grid.failed else 0


def _dry_run(cells) -> int:
    import shlex

    for cell in cells:
        print(f"# {cell.name}" + (f", after {', '.join(cell.needs)}" if cell.needs else ""))
        print(f"cd {shlex.quote(str(cell.recipe.resolve()))} && {shlex.join(cell.command)}")
    return 0


def _status(cells, state) -> int:
    from audio_lottery.grid.run import clock

    for cell in cells:
        row = state.ended(cell)
        stands = f"running: {state.says(cell)}" if state.running(cell) else "waiting" if row is None else (
            f"failed: see {state.log(cell)}" if row["status"] else f"done in {clock(row['seconds'])}")
        print(f"{cell.name:<30} {stands}")
    _show_table(cells, state)
    return 0


def _show_table(cells, state) -> None:
    from audio_lottery.grid.table import collect

    table = collect([cell for cell in cells if state.done(cell)], state.folder)
    if table:
        print(f"\n{table}\ntable: {state.folder}")


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
