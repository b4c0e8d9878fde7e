"""Compare tickets: how many weights two masks have in common, against chance.

Each ticket is a mask file, a search's folder (its latest mask), or FOLDER:ROUND. The overlap is the Jaccard
index, remaining in both over remaining in either; by chance is what masks with the same densities in each
tensor would have. With --signs true, also how many weights of each search's ticket changed their sign from
the initial weights to the trained ones. Tickets of several seeds, rounds or corpora have the same tensors;
those of several backbones or vocabularies are compared on what they share (--shared true).
"""

import sys

from audio_lottery.bin import cli


def add_arguments(parser) -> None:
    """The tickets, and how much to print."""
    parser.add_argument("tickets", nargs="+", metavar="TICKET", help="mask file, EXP, or EXP:ROUND")
    parser.add_argument("--tensors", type=cli.str2bool, default=False, help="print each tensor, too")
    parser.add_argument("--signs", type=cli.str2bool, default=False, help="sign changes of searches' tickets")
    parser.add_argument("--shared", type=cli.str2bool, default=False,
                        help="compare only the tensors that two masks have in the same shape")
    parser.add_argument("--picture", metavar="FILE", help="draw the overlaps of all pairs (.png or .svg)")
    parser.add_argument("--csv", metavar="FILE", help="write a line a pair and tensor")
    cli.add_json(parser)


def run(args) -> None:
    """Print one line a pair (and a tensor), or one JSON document."""
    from itertools import combinations

    from audio_lottery.errors import LotteryError
    from audio_lottery.mask import Mask
    from audio_lottery.report.overlap import pair
    from audio_lottery.tickets import mask_file

    if len(args.tickets) < 2 and not args.signs:
        raise LotteryError("overlap: one ticket has nothing to be compared with: give two or more, or --signs true")
    paths = {ticket: mask_file(ticket) for ticket in args.tickets}
    masks = {ticket: Mask.load(path) for ticket, path in paths.items()}
    found = {"pairs": [pair(a, b, masks, args.shared) for a, b in combinations(masks, 2)],
             "signs": [_signs(ticket, masks[ticket], paths[ticket]) for ticket in masks] if args.signs else []}
    if args.csv:
        _write_csv(args.csv, found["pairs"])
    if args.picture:
        from audio_lottery.report.matrix import plot_overlap

        plot_overlap(found["pairs"], args.picture)
    if args.json:
        cli.print_json(found)
        return
    for one in found["pairs"]:
        print(f"{one['first']} and {one['second']}{one['restricted']}")
        for row in [one["all"], *(one["tensors"] if args.tensors else [])]:
            print(f"  {row['jaccard']:7.2%} overlap, {row['jaccard_by_chance']:7.2%} by chance, densities "
                  f"{row['density_first']:7.2%} and {row['density_second']:7.2%}  {row['name']}")
    for row in found["signs"]:
        print(f"{row['ticket']}: {row['changed']} of {row['kept']} weights changed their sign "
              f"({row['changed'] / max(row['kept'], 1):.2%})")
        for name, (changed, kept) in row["tensors"].items() if args.tensors else ():
            print(f"  {changed / max(kept, 1):7.2%}  {name}")


def _write_csv(path: str, pairs: list[dict]) -> None:
    from audio_lottery.fileio import write_csv

    rows = [{"first": pair["first"], "second": pair["second"], **row} for pair in pairs
            for row in [pair["all"], *pair["tensors"]]]
    write_csv(path, rows)


def _signs(ticket: str, mask, path) -> dict:
    from audio_lottery import snapshot
    from audio_lottery.analysis import sign_changes
    from audio_lottery.errors import LotteryError
    from audio_lottery.espnet.models import averaged_model_file, load_state
    from audio_lottery.layout import Layout

    layout = Layout(path.parent.parent)
    if not layout.theta0.exists():
        raise LotteryError(f"{ticket}: no initial weights beside this mask: give a search's folder, or leave out "
                           "--signs")
    trained = load_state(averaged_model_file(layout.round(int(path.stem[6:]))))
    tensors = sign_changes(mask, snapshot.load(layout.theta0), trained)
    changed, kept = (sum(one[n] for one in tensors.values()) for n in (0, 1))
    return {"ticket": ticket, "changed": changed, "kept": kept, "tensors": tensors}


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
