"""Write a noisy copy of a data folder, at an SNR in dB over active speech.

Noise files are split once, by name, into train, valid and test parts that share no recording: give --part test for test
sets and --part train for training, and no noise of a test set is ever trained on.
"""

import argparse
import sys

from audio_lottery.bin import cli


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument("--data", required=True, help="clean set, dump/raw/test for instance")
    parser.add_argument("--out", required=True, help="noisy set to write, dump/raw/test_snr5 for instance")
    parser.add_argument("--noise", required=True, nargs="+", metavar="NOISE",
                        help="folders of audio, white, pink, babble=DATA_FOLDER; each utterance gets one")  # fmt: skip
    parser.add_argument("--snr", required=True, nargs="+", type=float, metavar="DB",
                        help="the SNR, or the lowest and the highest")  # fmt: skip
    parser.add_argument("--part", required=True, choices=("train", "valid", "test", "all"),
                        help="which of the noise files; all: the folder is for this set alone")  # fmt: skip
    parser.add_argument("--probability", type=float, default=1.0, help="of an utterance to get noise")
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn")
    parser.add_argument("--nj", type=int, default=1, help="parallel processes")


def run(args: argparse.Namespace) -> None:
    """Mix."""
    from audio_lottery.noise.folder import write_noisy
    from audio_lottery.noise.mix import make_mixer

    mixer = make_mixer(args.noise, args.snr, args.part, args.probability, args.seed)
    settings = [args.noise, args.snr, args.part, args.probability, args.seed]
    count = write_noisy(args.data, args.out, mixer, settings, args.nj)
    print(f"{args.out}: " + (f"{count} utterances" if count else "already there"))


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
