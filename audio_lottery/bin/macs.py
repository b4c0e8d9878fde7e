"""Count the multiply-accumulates (MACs) of a recogniser for several lengths of audio, dense and sparse.

EXP (a search's folder) counts the weights of a round; a configuration of ESPnet counts a dense model. The
front end, attention's quadratic part and the decoder's part per token stand apart.
"""

import sys

from audio_lottery.bin import cli


def add_arguments(parser) -> None:
    """What to count, and for which lengths."""
    parser.add_argument("source", help="EXP or an ESPnet configuration (.yaml)")
    parser.add_argument("--round", type=int, default=None, help="round of EXP; default: the latest")
    parser.add_argument("--seconds", type=float, nargs="+", default=[1, 5, 10, 30], metavar="S",
                        help="lengths of the audio; the table by module is of the last (default: 1 5 10 30)")
    parser.add_argument("--text_tokens", type=int, default=10, metavar="N", help="tokens that the decoder writes")
    parser.add_argument("--task", default="auto", help="ESPnet task: asr, asr_transducer; auto: read off the "
                        "training configuration")
    parser.add_argument("--token_list", default=None, help="tokens.txt, for a configuration without tokens")
    parser.add_argument("--plot", default=None, metavar="PNG", help="draw MACs against length to this file")
    cli.add_json(parser)


def run(args) -> None:
    """Print the tables, or one JSON document."""
    from dataclasses import asdict
    from pathlib import Path

    from audio_lottery.errors import LotteryError
    from audio_lottery.espnet.sources import configured_model, load_round, macs_of, round_of
    from audio_lottery.fileio import read_yaml
    from audio_lottery.metrics import mac_table

    if min(args.seconds) <= 0 or args.text_tokens < 1:
        raise LotteryError("--seconds and --text_tokens: give positive numbers")
    source, about, mask = Path(args.source), {"source": args.source}, None
    if source.is_dir():
        found = round_of(source, args.round, args.task)
        load_round(source, found)
        model, mask, about["round"] = found.model, found.mask, found.number
        conf = read_yaml(source / "round_00/config.yaml")
    else:
        model, conf = configured_model(args.source, args.task, args.token_list), read_yaml(args.source)
    counts = [macs_of(model, conf, seconds, args.text_tokens) for seconds in args.seconds]
    modules = mac_table.modules(model, mask, counts[-1].tensors)
    missed = mac_table.uncounted(model, counts[-1])
    if args.plot:
        from audio_lottery.report.plot_macs import plot_macs

        plot_macs(counts, args.plot)
    if args.json:
        tensors = [asdict(tensor) for tensor in counts[-1].tensors.values()]
        cli.print_json(about | {"lengths": [macs.to_dict() for macs in counts], "tensors": tensors,
                                "by_module": [asdict(row) | {"density": row.density} for row in modules],
                                "uncounted": missed})
    else:
        print("\n".join(f"{key}: {value}" for key, value in about.items()), end="\n\n")
        print(mac_table.text(counts, modules, missed))


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
