"""ESPnet's ``espnet2.bin.asr_transducer_inference``, knowing the recurrent encoder of this toolkit and n-gram models.

All options go to ESPnet (python3 -m espnet2.bin.asr_transducer_inference --help lists them), but for --ngram_file,
--ngram_weight and --penalty, which are those of espnet2.bin.asr_inference; the outputs are ESPnet's too. A model with
one of ESPnet's encoders is left to ESPnet's command, unless an n-gram model is asked for.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from audio_lottery.bin import cli
from audio_lottery.errors import LotteryError

# ESPnet parses the options.
PASS_ON = True
HELP = "python3 -m espnet2.bin.asr_transducer_inference --help lists them"
REFUSED = ("model_tag", "streaming", "quantize_asr_model")


def add_arguments(parser) -> None:
    """None of our own."""


def run(args) -> None:
    """Decode; what ESPnet refuses is one line."""
    from audio_lottery.espnet.command import parse_by

    parse_by(get_parser(), args.rest, "decoding", HELP)
    main(args.rest)


def get_parser():
    """ESPnet's own parser, with its options of n-gram models from the ``asr`` task."""
    from espnet2.bin import asr_transducer_inference as stock

    parser = stock.get_parser()
    parser.add_argument("--ngram_file", default=None, help="n-gram model over the recipe's tokens, for shallow fusion")
    parser.add_argument("--ngram_weight", type=float, default=0.9, help="its weight, of log10 probabilities")
    parser.add_argument("--penalty", type=float, default=0.0, help="added for each token; with --ngram_file")
    return parser


def main(cmd: Sequence[str] | None = None) -> None:
    """Decode, with ESPnet's own command where it can."""
    args = get_parser().parse_args(cmd)
    if _for_espnet(args):
        from espnet2.bin import asr_transducer_inference as stock

        for name in ("config", "ngram_file", "ngram_weight", "penalty"):
            delattr(args, name)
        stock.inference(**vars(args))
        return
    _refuse(args)
    from audio_lottery.espnet.transducer_inference import decode

    decode(args)


def _for_espnet(args) -> bool:
    """Whether ESPnet's own command can do it."""
    from audio_lottery.espnet.transducer_encoder import is_recurrent
    from audio_lottery.fileio import read_yaml

    if args.ngram_file:
        return False
    if args.penalty:
        raise LotteryError(f"--penalty {args.penalty:g}: ESPnet's transducer search has none: give --ngram_file "
                           "with it, or leave it out")
    config = args.asr_train_config or Path(args.asr_model_file or "").parent / "config.yaml"
    if args.model_tag:
        return True
    encoder_conf = read_yaml(config).get("encoder_conf", {})
    return not is_recurrent(encoder_conf) and "sizes" not in encoder_conf


def _refuse(args) -> None:
    """What only ESPnet's own command does."""
    for name in REFUSED:
        if getattr(args, name):
            raise LotteryError(f"--{name}: not for recurrent or resized encoders, nor with --ngram_file: leave it out")
    if args.ngram_file and args.lm_file:
        raise LotteryError("--ngram_file and --lm_file: one language model at a time: leave one out")


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
