"""Numbers and switches from a ticket's configuration, which anybody may have written."""

from audio_lottery.errors import LotteryError

MOST = 1 << 16  # channels, layers, samples in a window: nothing that is real comes near


class UnsupportedError(LotteryError):
    """A sound model that the engine cannot run."""


def integer(conf: dict, name: str, default: int, least: int = 1) -> int:
    """A whole number between ``least`` and 65,536."""
    value = conf.get(name, default)
    if type(value) is not int or not least <= value <= MOST:
        raise LotteryError(f"{name}: {str(value)[:40]}: not a number the engine can use: the ticket is damaged")
    return value


def switch(conf: dict, name: str, default: bool) -> bool:
    """true or false."""
    value = conf.get(name, default)
    if type(value) is not bool:
        raise LotteryError(f"{name}: {str(value)[:40]}: neither true nor false: the ticket is damaged")
    return value


def check_options(kind: str, conf: dict, allowed: dict[str, tuple]) -> None:
    """Refuse an encoder with an option the engine does not have; the first value allowed is ESPnet's default."""
    for option, values in allowed.items():
        value = conf.get(option, values[0])
        refuse(type(value) not in (str, bool) or value not in values, f"{kind} encoder with {option}: {value}")


def refuse(wrong: bool, what: str) -> None:
    """An :class:`UnsupportedError` that says what the engine cannot run, and where to go."""
    if wrong:
        raise UnsupportedError(
            f"{what[:200]}: the engine cannot run it: export it as ONNX with audio-lottery export_onnx"
        )


def section(config: dict, name: str) -> dict:
    """A map inside the configuration; absent or null is empty."""
    value = config.get(name)
    if value is not None and type(value) is not dict:
        raise LotteryError(f"{name}: not a map: the ticket is damaged")
    return value or {}
