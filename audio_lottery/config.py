"""The lottery configuration: what a search does, and which combinations make no sense."""

import dataclasses
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from audio_lottery import granularity
from audio_lottery.allocation import Allocation, allocations
from audio_lottery.criteria import criteria
from audio_lottery.criteria.conf import CriterionConf
from audio_lottery.errors import LotteryError
from audio_lottery.granularity.n_of_m import check_density
from audio_lottery.moment import Moment
from audio_lottery.restart import restarts, restarts_from_trained
from audio_lottery.schedule import Schedule, schedules
from audio_lottery.scope import ScopeConfig
from audio_lottery.search import Stop, Within, stops, withins
from audio_lottery.search.combine import check_search

PRUNE_FROM = ("last", "average", "init", "dense")


@dataclass(frozen=True)
class LotteryConfig:
    """What a search does. Each field is a key of the YAML file and an option of ``--lottery_args``.

    rounds      rounds after the dense one (round 0)
    rate        fraction of the remaining weights in scope that each round prunes, in (0, 1)
    schedule    how much a round prunes: constant, decaying, densities, one_shot; schedule_conf: its options
    restart     the weights each round starts from: rewind, learning_rate, finetune, fresh, sign
    rewind      for restart rewind: 0 (initial weights), 500it or 2ep of the dense training
    criterion   score of a weight; the smallest are pruned; criterion_conf: set, batches, iterations
    granularity what goes together: weight, 8x1, 2:4, row, column, head, ffn_channel, conv_channel, layer
    allocation  where the budget goes; allocation_conf: its options
    prune_from  the weights that are scored: of the last epoch, the average of the n best, the initial ones, or those
                that round 0 was trained to (dense), whatever the round
    within      find masks within a training run: gradual, rigl, set; within_conf: its options
    stop        a round tells the next mask early: early, early_bird; stop_conf: its options
    full_rounds rounds that are trained in full nevertheless: last, all, or their numbers; round 0 always is
    masks_from  take the masks of another search: its folder, or its preset (imp) for the one beside this
    small_dense train narrower dense models instead, as many parameters as the tickets of this search have weights
    only_rounds train only these rounds beside the dense one; the masks of all are made, from no trained weights
    seed        seed of random criteria and fresh weights
    scope       which tensors may be pruned: include, exclude (regular expressions), output_layer; gates
    """

    rounds: int = 8
    rate: float = 0.2
    schedule: str = "constant"
    schedule_conf: dict[str, Any] = field(default_factory=dict)
    restart: str = "rewind"
    rewind: str = "0"
    criterion: str = "magnitude"
    criterion_conf: dict[str, Any] = field(default_factory=dict)
    granularity: str = "weight"
    allocation: str = "global"
    allocation_conf: dict[str, Any] = field(default_factory=dict)
    prune_from: str = "last"
    masks_from: str | None = None
    small_dense: str | None = None
    only_rounds: list[int] | None = None
    within: str | None = None
    within_conf: dict[str, Any] = field(default_factory=dict)
    stop: str | None = None
    stop_conf: dict[str, Any] = field(default_factory=dict)
    full_rounds: str | list[int] = "last"
    seed: int = 0
    scope: ScopeConfig = field(default_factory=ScopeConfig)

    def __post_init__(self) -> None:
        if self.rounds < 0:
            raise LotteryError(f"rounds: {self.rounds} is out of range: give 0 or more")
        if not 0 < self.rate < 1:
            raise LotteryError(f"rate: {self.rate} is out of range: give a fraction between 0 and 1, like 0.2")
        if self.prune_from not in PRUNE_FROM:
            raise LotteryError(f"prune_from: {self.prune_from!r} is unknown: choose from {', '.join(PRUNE_FROM)}")
        criteria.get(self.criterion)
        granularity.parse(self.granularity)
        allocations.get(self.allocation)
        restarts.get(self.restart)
        schedules.get(self.schedule)
        if self.within is not None:
            withins.get(self.within)
        if self.stop is not None:
            stops.get(self.stop)
        Moment.parse(self.rewind)

    def check(self) -> None:
        """Refuse combinations that make no sense, with the reason and the nearest that does."""
        self.make_schedule().check(self.rounds)
        self.make_allocation()
        conf = self.make_criterion_conf()
        if self.restart != "rewind" and self.rewind != "0":
            raise LotteryError(f"rewind: {self.rewind} with restart: {self.restart} would do nothing: take restart: "
                               "rewind, or rewind: '0'")
        if self.criterion == "movement" and self.prune_from == "init":
            raise LotteryError("criterion: movement of initial weights is nothing: take prune_from: last")
        if conf.iterations > 1 and ":" in self.granularity:
            raise LotteryError(f"criterion_conf: iterations pass densities that {self.granularity} cannot give: "
                               "take iterations: 1")
        if not self.make_allocation().carries and self.granularity == "weight":
            raise LotteryError(f"allocation: {self.allocation} is for weights that go in groups: take allocation: "
                               "uniform, or a granularity such as ffn_channel")
        if self.make_allocation().choose and self.granularity != "weight":
            raise LotteryError(f"allocation: {self.allocation} with granularity: {self.granularity}: it compares "
                               "single weights: take granularity: weight, or allocation: uniform")
        self._check_masks_from()
        self._check_only_rounds()
        check_search(self)
        self._check_n_of_m()

    def trains(self, number: int) -> bool:
        """Whether a round is trained, see ``only_rounds``."""
        return number == 0 or self.only_rounds is None or number in self.only_rounds

    def make_schedule(self) -> Schedule:
        """The schedule with its options."""
        return schedules.make(self.schedule, self.schedule_conf, rate=self.rate)

    def make_allocation(self) -> Allocation:
        """The allocation with its options."""
        return allocations.make(self.allocation, self.allocation_conf)

    def make_criterion_conf(self) -> CriterionConf:
        """On which data a criterion scores, and in how many steps."""
        return CriterionConf.read(self.criterion, self.criterion_conf)

    def make_within(self) -> Within:
        """The search within a run, with its options."""
        return withins.make(self.within, self.within_conf)

    def make_stop(self) -> Stop:
        """The rule that stops rounds, with its options."""
        return stops.make(self.stop, self.stop_conf)

    @property
    def fixes_rounds(self) -> bool:
        """Whether masks depend on how many rounds there are, so that a search cannot go on for more."""
        shared = self.within is not None and self.make_within().retrain
        return shared or (self.stop is not None and self.prune_from == "dense" and self.make_stop().window > 0)

    def changes(self, number: int) -> bool:
        """Whether a round's mask changes while it is trained."""
        return bool(number and self.within and not self.make_within().retrain)

    def stops(self, number: int) -> bool:
        """Whether a round is watched for the moment to draw a mask from it."""
        return bool(self.stop) and (number == 0 or self.prune_from != "dense")

    def in_full(self, number: int) -> bool:
        """Whether a round is trained to its end, wherever the next mask is drawn."""
        last = self.rounds if self.full_rounds == "last" else None
        listed = self.full_rounds if isinstance(self.full_rounds, list) else [last]
        return number in (0, *listed) or self.full_rounds == "all" or not self.stops(number)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as written to ``lottery.yaml``."""
        plain = dataclasses.asdict(self)
        plain["scope"] = {key: list(value) if isinstance(value, tuple) else value
                          for key, value in plain["scope"].items()}
        return plain

    def _check_masks_from(self) -> None:
        other = "masks_from" if self.masks_from else "small_dense"
        if getattr(self, other) is None:
            return
        if self.masks_from and self.small_dense:
            raise LotteryError(f"small_dense: {self.small_dense} with masks_from: {self.masks_from}: narrower models "
                               "have no masks: leave one out")
        plain, defaults = self.to_dict(), LotteryConfig().to_dict()
        for key in ("schedule", "criterion", "allocation", "granularity"):
            if plain[key] != defaults[key]:
                raise LotteryError(f"{key}: {plain[key]} with {other}: {getattr(self, other)} would do nothing, since "
                                   f"no mask is made: leave {key} out, or {other}")

    def _check_only_rounds(self) -> None:
        if self.only_rounds is None:
            return
        for number in self.only_rounds or [None]:
            if type(number) is not int or not 1 <= number <= self.rounds:
                raise LotteryError(f"only_rounds: {number} is not a round of this search: give numbers from 1 to "
                                   f"{self.rounds} (rounds)")
        free = self.masks_from or self.small_dense or self.within or self.prune_from in ("init", "dense")
        needs = {"masks_from: imp, or prune_from: init": not free,
                 "restart: rewind": self.restart in restarts_from_trained}
        for remedy, needed in needs.items():
            if needed:
                raise LotteryError("only_rounds: a round of this search needs the weights that the round before was "
                                   f"trained to: take {remedy}, or leave only_rounds out")

    def _check_n_of_m(self) -> None:
        if ":" not in self.granularity:
            return
        if self.allocation not in ("global", "uniform"):
            raise LotteryError(f"allocation: {self.allocation} with granularity: {self.granularity}, which leaves no "
                               "choice of where: take allocation: global")
        schedule, whole = self.make_schedule(), 10**12
        for number in range(1, self.rounds + 1):
            check_density(self.granularity, Fraction(schedule.kept(number, whole), whole))
