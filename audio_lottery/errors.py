"""The one exception that stands for bad input."""


class LotteryError(Exception):
    """Bad input. ``str(error)`` is one line: what is wrong, where, and what to do about it.

    Commands print it without a traceback and exit with status 1.
    """
