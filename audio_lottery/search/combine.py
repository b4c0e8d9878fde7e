"""Which keys of the lottery configuration go together with a search within a run, or with a stop."""

from audio_lottery.criteria import needs_data, needs_start
from audio_lottery.errors import LotteryError


def check_search(config) -> None:
    """Refuse combinations that make no sense, with the reason and the nearest that does.

    config: a LotteryConfig. What depends on the length of the training is refused by the search itself,
    before any training.
    """
    if config.within:
        _check_within(config)
    elif config.within_conf:
        raise LotteryError("within_conf: without within it does nothing: name one, as within: gradual")
    if config.stop:
        _check_stop(config)
    elif config.stop_conf or config.full_rounds != "last":
        key = "stop_conf" if config.stop_conf else "full_rounds"
        raise LotteryError(f"{key}: without stop it does nothing, every round is trained in full: name one, as "
                           "stop: early")
    if config.prune_from == "dense" and config.restart in ("learning_rate", "finetune"):
        raise LotteryError(f"restart: {config.restart} with prune_from: dense: masks would not be of the weights that "
                           "rounds go on with: take prune_from: last")


def _check_within(config) -> None:
    method = config.make_within()
    _refuse_doing_nothing(config, "within", {"prune_from": "last", "masks_from": None, "small_dense": None,
                                             "stop": None})
    if config.criterion_conf:
        raise LotteryError(f"criterion_conf: with within: {config.within} it does nothing: leave it out")
    if method.retrain and config.restart in ("learning_rate", "finetune"):
        raise LotteryError(f"restart: {config.restart} with within: {config.within}, whose masks are not of the round "
                           "before: take restart: rewind")
    if not method.retrain:
        _refuse_doing_nothing(config, "within", {"restart": "rewind"})
    method.check(config)


def _check_stop(config) -> None:
    config.make_stop()
    _refuse_doing_nothing(config, "stop", {"masks_from": None, "small_dense": None})
    if config.prune_from not in ("last", "dense"):
        raise LotteryError(f"prune_from: {config.prune_from} with stop: {config.stop}, which takes the weights of one "
                           "epoch: take prune_from: last")
    if config.restart in ("learning_rate", "finetune"):
        raise LotteryError(f"restart: {config.restart} with stop: {config.stop}: rounds would go on from weights of "
                           "unequal training: take restart: rewind")
    if config.make_stop().window and config.criterion in needs_data | needs_start | {"random"}:
        raise LotteryError(f"criterion: {config.criterion} with stop: {config.stop}, which draws masks of the weights "
                           "alone: take criterion: magnitude, or stop: early")
    if isinstance(config.full_rounds, str) and config.full_rounds not in ("last", "all"):
        raise LotteryError(f"full_rounds: {config.full_rounds!r} is unknown: choose from last, all, or list rounds")
    for number in config.full_rounds if isinstance(config.full_rounds, list) else ():
        if type(number) is not int or not 0 <= number <= config.rounds:
            raise LotteryError(f"full_rounds: {number!r} is not a round of this search: list numbers up to "
                               f"{config.rounds}")


def _refuse_doing_nothing(config, by: str, needed: dict[str, object]) -> None:
    for key, value in needed.items():
        if getattr(config, key) != value:
            remedy = f"take {key}: {value}" if value else f"leave {key} out"
            raise LotteryError(f"{key}: {getattr(config, key)} with {by}: {getattr(config, by)} would do nothing: "
                               f"{remedy}")
