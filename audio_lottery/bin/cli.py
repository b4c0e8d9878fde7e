"""What every command shares: one-line errors with exit status 1, and ``--json``."""

import argparse
import errno
import json
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from audio_lottery.errors import LotteryError
from audio_lottery.fileio import no_space

# ESPnet's token types that the recipes take.
TOKEN_TYPES = ("word", "char", "bpe", "unigram")


class Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults as they are written on a command line, but for flags, which are off."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        value = action.default
        if "(default" in (action.help or ""):
            return action.help
        if action.type is str2bool and value is not None:
            return f"{action.help} (default: {str(value).lower()})"
        if isinstance(value, list | tuple):
            return f"{action.help} (default: {' '.join(map(str, value))})" if value else action.help
        return action.help if value is None or value is False or value == "" else super()._get_help_string(action)

    def _get_default_metavar_for_optional(self, action: argparse.Action) -> str:
        return "true|false" if action.type is str2bool else super()._get_default_metavar_for_optional(action)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line on stderr and exit status 1."""

    def __init__(self, *args, **kwargs):
        kwargs.setdefault("formatter_class", Formatter)
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)

    def error(self, message: str) -> NoReturn:
        print(f"{self.prog}: error: {message} (see {self.prog} --help)", file=sys.stderr)
        sys.exit(1)


def str2bool(text: str) -> bool:
    """``true``/``false`` as ESPnet's and Kaldi's options are written."""
    if text.lower() in ("true", "1", "yes"):
        return True
    if text.lower() in ("false", "0", "no"):
        return False
    raise argparse.ArgumentTypeError(f"true or false expected, not {text!r}")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``: print one JSON document on stdout instead of text."""
    parser.add_argument("--json", action="store_true", help="print machine-readable JSON")


def print_json(value: object) -> None:
    """Print one JSON document on stdout."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def guarded(function: Callable[[], int | None], prog: str) -> int:
    """Call ``function``; turn bad input, a file that cannot be opened and a full disk into one line and status 1."""
    try:
        return function() or 0
    except LotteryError as error:
        print(f"{prog}: error: {error}", file=sys.stderr)
    except BrokenPipeError:
        sys.stderr.close()
    except KeyboardInterrupt:
        print(f"{prog}: interrupted; start it again to continue", file=sys.stderr)
        return 130
    except Exception as error:
        where = getattr(error, "filename", None)
        if no_space(error):
            reason = f"{os.strerror(errno.ENOSPC)}: free some, then start again"
        elif isinstance(error, OSError) and where:
            reason = f"{error.strerror}: check the path and its permissions"
        else:
            raise
        print(f"{prog}: error: {f'{where}: ' if where else ''}{reason}", file=sys.stderr)
    return 1


def main(module, argv: Sequence[str] | None = None, prog: str | None = None) -> int:
    """Run a command module, one with ``add_arguments(parser)`` and ``run(args)``.

    A module with ``PASS_ON`` gets the options that its parser does not know as ``args.rest``.
    """
    # Run by python3 -m, the module is called __main__; its spec knows its name.
    prog = prog or "audio-lottery " + module.__spec__.name.rpartition(".")[2]
    parser = Parser(prog=prog, description=module.__doc__)
    module.add_arguments(parser)
    args, rest = parser.parse_known_args(argv)
    if rest and not hasattr(module, "PASS_ON"):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    args.rest = rest
    return guarded(lambda: module.run(args), prog)
