"""Stage 2: check a data folder's audio and format it into dump/raw/<set>.

Audio that already has the right rate, format and one channel is referenced, not copied. Finished
output is recognised and skipped. Commands in wav.scp (sph2pipe -f wav a.sph |) are refused unless --allow_pipes
true says to run them; they run with your rights, so read a wav.scp from elsewhere first. For test sets, give
--min_wav_duration 0 --max_wav_duration inf, so that no utterance leaves the score.
"""

import argparse
import sys

from audio_lottery.bin import cli
from audio_lottery.data.options import integer, number


def _channel(text: str) -> str:
    if text == "mix" or (text.isascii() and text.isdigit() and int(text) > 0):
        return text
    raise argparse.ArgumentTypeError(f"mix or a number from 1 expected, not {text!r}")


def _speeds(text: str) -> tuple[float, ...]:
    values = tuple(map(number(0.1, 10), text.split()))
    if not values or len(set(values)) != len(values):
        raise argparse.ArgumentTypeError(f"different numbers expected, as '0.9 1.0 1.1', not {text!r}")
    return values


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options, named as ESPnet's where it has them."""
    parser.add_argument("--data", required=True, help="data folder to read, data/train for instance")
    parser.add_argument("--dump", required=True, help="folder to write, dump/raw/train for instance")
    parser.add_argument("--fs", type=integer(1000, 192000), default=8000, help="sampling rate in Hz")
    parser.add_argument("--audio_format", choices=("wav", "flac"), default="wav", help="of written audio")
    parser.add_argument(
        "--min_wav_duration", type=number(0), default=0.1, help="drop what is shorter (seconds)"
    )
    parser.add_argument(
        "--max_wav_duration", type=number(0), default=20.0, help="drop what is longer (seconds)"
    )
    parser.add_argument("--resample", type=cli.str2bool, default=True,
                        help="true: resample audio of another rate; false: refuse it")  # fmt: skip
    parser.add_argument(
        "--channel", type=_channel, help="channel to take, from 1, or mix; none: refuse several"
    )
    parser.add_argument("--speed_perturb_factors", type=_speeds, default=(1.0,), metavar="'F ...'",
                        help="speeds, each utterance once at each, as '0.9 1.0 1.1'")  # fmt: skip
    parser.add_argument("--allow_pipes", type=cli.str2bool, default=False,
                        help="true: run the commands in wav.scp")  # fmt: skip
    parser.add_argument("--nj", type=integer(1), default=1, help="parallel processes")


def run(args: argparse.Namespace) -> None:
    """Format one data folder."""
    from audio_lottery.data.format import Options, format_data

    options = Options(args.fs, args.audio_format, args.min_wav_duration, args.max_wav_duration,
                      args.resample, args.channel, args.speed_perturb_factors, args.allow_pipes)  # fmt: skip
    fresh = format_data(args.data, args.dump, options, args.nj)
    print(f"{args.dump}: " + ("done" if fresh else "already formatted"))


if __name__ == "__main__":
    sys.exit(cli.main(sys.modules[__name__]))
