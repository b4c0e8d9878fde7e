"""Stage 2, --feats_type fbank: compute log-mel filterbanks once, by ESPnet's own front end, into Kaldi archives.

Training from them skips the front end. They depend on the training configuration's frontend_conf: with
another, give another --out.
"""

import sys

from audio_lottery.bin import cli
from audio_lottery.data.options import integer


def add_arguments(parser) -> None:
    """The sets and the configuration."""
    parser.add_argument("--data", required=True, help="formatted set of audio, dump/raw/train for instance")
    parser.add_argument("--out", required=True, help="folder to write, dump/fbank/train for instance")
    parser.add_argument("--asr_config", required=True, help="ESPnet training configuration (YAML)")
    parser.add_argument("--nj", type=integer(1), default=1, help="parallel processes")


def run(args) -> None:
    """Compute the features of one set."""
    from audio_lottery.espnet.features import dump_features

    fresh = dump_features(args.data, args.out, args.asr_config, args.nj)
    print(f"{args.out}: " + ("done" if fresh else "already there"))


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
