"""Cut a data folder, or a formatted set, down to the utterances of some speakers; audio is not copied.

To adapt one ticket to one speaker, train it on the speaker's utterances (see conf/lottery/adapt.yaml).
"""

import argparse
import sys
from pathlib import Path

from audio_lottery.bin import cli


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """From where, whom, and where to."""
    parser.add_argument("--data", required=True, type=Path, help="data/train or dump/raw/train for instance")
    parser.add_argument("--speakers", required=True, nargs="+", metavar="SPEAKER", help="names, as in utt2spk")
    parser.add_argument("--out", required=True, type=Path, help="folder to write, dump/raw/train_theo for instance")


def run(args: argparse.Namespace) -> None:
    """Write the folder."""
    from audio_lottery.data.subset import take_speakers

    number = take_speakers(args.data, args.out, args.speakers)
    print(f"{args.out}: {number} utterances of {len(set(args.speakers))} speakers")


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
