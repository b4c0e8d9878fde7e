"""ESPnet's ``espnet2.bin.asr_transducer_inference``, knowing the recurrent encoder of this toolkit.

All options go to ESPnet (python3 -m espnet2.bin.asr_transducer_inference --help lists them), and the
outputs are ESPnet's too. A model with one of ESPnet's encoders is left to ESPnet's command.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError

# ESPnet parses the options.
PASS_ON = True
HELP = "python3 -m espnet2.bin.asr_transducer_inference --help lists them"
REFUSED = ("streaming", "quantize_asr_model")


def add_arguments(parser) -> None:
    """None of our own."""


def run(args) -> None:
    """Decode."""
    main(args.rest)


def get_parser():
    """ESPnet's own parser."""
    from espnet2.bin import asr_transducer_inference as stock

    return stock.get_parser()


def main(cmd: Sequence[str] | None = None) -> None:
    """Decode, with ESPnet's own command where it knows the encoder."""
    from espnet2.bin import asr_transducer_inference as stock

    from audio_lottery.espnet.command import parse_by
    from audio_lottery.espnet.transducer_encoder import is_recurrent

    args = parse_by(stock.get_parser(), sys.argv[1:] if cmd is None else cmd, "decoding", HELP)
    config = args.asr_train_config or Path(args.asr_model_file or "").parent / "config.yaml"
    if args.model_tag or not is_recurrent(_read(config).get("encoder_conf", {})):
        stock.main(cmd)
        return
    for name in REFUSED:
        if getattr(args, name):
            raise LotteryError(f"--{name}: not for a recurrent encoder: leave it out")
    from audio_lottery.espnet.transducer_inference import decode

    decode(args)


def _read(config: str | Path) -> dict:
    try:
        with open(config, encoding="utf-8") as file:
            return yaml.safe_load(file)
    except (OSError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise LotteryError(f"{config}: {reason}: give the training's --asr_train_config") from error


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
