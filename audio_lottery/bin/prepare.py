"""Make a corpus's data folders (wav.scp, text, utt2spk, spk2utt): train, dev and test."""

import argparse
import sys

from audio_lottery.bin import cli
from audio_lottery.data.corpora import CORPORA


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One sub-command per corpus, with the corpus's own options."""
    commands = parser.add_subparsers(dest="corpus", metavar="CORPUS", required=True, help="which corpus")
    for name, module in CORPORA.items():
        summary = (module.__doc__ or "").split("\n", 1)[0]
        module.add_arguments(commands.add_parser(name, help=summary, description=module.__doc__))


def run(args: argparse.Namespace) -> None:
    """Prepare the chosen corpus."""
    CORPORA[args.corpus].prepare(args)


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
