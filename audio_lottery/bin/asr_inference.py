"""ESPnet's ``espnet2.bin.asr_inference``, knowing this toolkit's encoders (``encoder: ds2``).

All options go to ESPnet (python3 -m espnet2.bin.asr_inference --help lists them).
"""

import sys
from collections.abc import Sequence

from audio_lottery.bin import cli

# ESPnet parses the options.
PASS_ON = True
HELP = "python3 -m espnet2.bin.asr_inference --help lists them"


def add_arguments(parser) -> None:
    """None of our own."""


def run(args) -> None:
    """Decode; what ESPnet refuses is one line."""
    from audio_lottery.espnet.command import parse_by

    parse_by(get_parser(), args.rest, "decoding", HELP)
    main(args.rest)


def get_parser():
    """ESPnet's own parser."""
    from espnet2.bin import asr_inference as stock

    return stock.get_parser()


def main(cmd: Sequence[str] | None = None) -> None:
    """Decode; options and outputs are ESPnet's own."""
    import espnet2.bin.asr_inference

    import audio_lottery.espnet.asr_task  # noqa: F401  importing registers the encoders
    from audio_lottery.espnet.command import parse_by

    if cmd is not None:
        parse_by(espnet2.bin.asr_inference.get_parser(), cmd, "decoding", HELP)
    espnet2.bin.asr_inference.main(cmd)


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
