"""What the paper claims, each with what the kept searches say to it, by rules on their numbers.

Rules, at a level of 0.05, all tests paired over utterances, errors summed over seeds: a ticket *matches* where the
test does not find it worse than the dense model. Tickets are chosen on the dev set, claims are judged on test sets.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from audio_lottery.report.compare import Point
from audio_lottery.report.evidence import CLEAN, Experiment
from audio_lottery.report.findings import ALPHA, Findings, findings
from audio_lottery.report.table import p_value, percent

CONFIRMED, NOT, UNTESTED = "confirmed", "not confirmed", "not tested at this scale"
FAMILIES = {"CNN-LSTM": "CNN-LSTM", "RNN-T": "RNN transducer", "Transformer": "Transformer", "Conformer": "Conformer"}


@dataclass(frozen=True)
class Verdict:
    """Of a claim on one backbone or experiment; ``why``: the numbers it follows from."""

    claim: str
    where: str
    verdict: str
    why: str


def verdicts(experiments: Sequence[Experiment]) -> list[Verdict]:
    """Every claim of the paper, in its order."""
    clean = [one for experiment in experiments for one in findings(experiment)]
    imp = [one for one in clean if one.reference.startswith("imp") and one.dense and one.tickets(one.reference)]
    plain = [one for one in imp if one.reference.split(",")[0] == "imp"]
    made: list[Verdict] = []
    for family, start in FAMILIES.items():
        mine = [one for one in plain if one.experiment.backbone.startswith(start)]
        made += _each("Extreme tickets keep less than 20% of the weights", family, mine, lambda one: extreme(one, 0.2))
    made += _lightest(plain)
    for claim, rule in (("The best ticket is better than the dense model", better),
                        ("The initial weights matter: the mask with other random weights is worse",
                         lambda one: control(one, "random_ticket")),
                        ("The mask matters: random pruning is worse", lambda one: control(one, "random_pruning")),
                        ("Sparsity pays: a small dense model of as many parameters is worse",
                         lambda one: control(one, "small_dense"))):
        made += _each(claim, "", plain, rule)
    noisy = [one for experiment in experiments for name in experiment.trainings if name != CLEAN
             for one in findings(experiment, name)]
    made += _each("Trained with noise, tickets are better than the dense model on noisy speech", "", noisy, robust)
    made += _each("A mask found on another corpus trains to a matching model", "", clean, transferred)
    made += _each("Matching tickets exist with structured masks", "", clean, structured)
    return made


def extreme(one: Findings, most: float, scope: bool = False) -> tuple[bool, str] | None:
    """Whether the extreme ticket matches on the test sets at a density of the model, or of the scope, of ``most``."""
    ticket = one.extreme
    if ticket is None:
        return False, f"no round matches the dense model on {one.dev}"
    density = ticket.density_scope if scope else ticket.density_whole
    if density is None:
        return None
    why = f"{percent(ticket.density_whole)}% of the model, {percent(ticket.density_scope)}% of the scope"
    return density <= most + 5e-5 and matches(one, ticket), f"{why}; {_p_dense(one, ticket)}"


def matches(one: Findings, ticket: Point) -> bool:
    """Whether a ticket is not found worse than the dense model on any clean test set."""
    tested = [ticket.scores[name].p_dense for name in clean_tests(one) if name in ticket.scores]
    return bool(tested) and all(p is not None and p >= ALPHA for p in tested)


def better(one: Findings) -> tuple[bool, str] | None:
    """Whether the dense model is found worse than the best ticket on every clean test set."""
    if one.best is None:
        return None
    return _worse(one, {"best ticket": one.best}, one.dense, "dense")


def control(one: Findings, name: str) -> tuple[bool, str] | None:
    """Whether a control is found worse than the ticket nearest to it, on every clean test set."""
    method = next((method for method in one.searches if method.split(",")[0] == name), None)
    at = one.extreme or one.best
    other = one.near(method, at.density_whole) if method and at else None
    ticket = one.near(one.reference, other.density_whole) if other else None
    if not other or not ticket:
        return None
    return _worse(one, {f"ticket at {percent(ticket.density_whole)}%": ticket}, other,
                  f"{name.replace('_', ' ')} at {percent(other.density_whole)}%")


def robust(one: Findings) -> tuple[bool, str] | None:
    """Whether the dense model is found worse than the best ticket on every noisy test set."""
    noisy = [name for name in one.tests if "_snr" in name]
    if not noisy or one.best is None or one.dense is None:
        return None
    return _worse(one, {"best ticket": one.best}, one.dense, "dense", noisy)


def transferred(one: Findings) -> tuple[bool, str] | None:
    """Whether the sparsest transferred ticket that matches on dev matches on the test sets."""
    tickets = [point for method in one.searches if method.startswith("transferred") for point in one.tickets(method)]
    return _sparsest(one, tickets)


def structured(one: Findings) -> tuple[bool, str] | None:
    """The same for masks of blocks, rows, columns, heads, channels or layers."""
    tickets = [point for method, several in one.searches.items() if several[0].config.granularity != "weight"
               and not method.startswith("transferred") for point in one.tickets(method)]
    return _sparsest(one, tickets)


def clean_tests(one: Findings) -> list[str]:
    """Test sets without noise."""
    return [name for name in one.tests if "_snr" not in name]


def _sparsest(one: Findings, tickets: Sequence[Point]) -> tuple[bool, str] | None:
    scored = [point for point in tickets if one.dev in point.scores and point.scores[one.dev].p_dense is not None]
    if not scored:
        return None
    matching = [point for point in scored if point.scores[one.dev].p_dense >= ALPHA]
    if not matching:
        return False, f"none of {len(scored)} matches the dense model on {one.dev}"
    ticket = min(matching, key=lambda point: point.density_whole)
    return matches(one, ticket), f"{ticket.method}: {percent(ticket.density_whole)}% of the model; " \
                                 f"{_p_dense(one, ticket)}"


def _worse(one: Findings, ticket: Mapping[str, Point], other: Point | None, name: str,
           sets: Sequence[str] | None = None) -> tuple[bool, str] | None:
    """Whether ``other`` is found worse than the ticket on each of the sets; dev is told too, not judged."""
    (label, point), = ticket.items()
    parts, found = [], []
    judged = clean_tests(one) if sets is None else sets
    for dataset in [*judged, one.dev]:
        known = one.difference(point, other, dataset) if other else None
        if known is None:
            continue
        parts.append(f"{dataset}: {label} {point.scores[dataset].mean:.1f}, {name} {other.scores[dataset].mean:.1f}, "
                     f"p of \"{name.split(' at ')[0]} is worse\" {p_value(known[2])}")
        if dataset in judged:
            found.append(known[2] < ALPHA)
    return (all(found), "; ".join(parts)) if found else None


def _p_dense(one: Findings, ticket: Point) -> str:
    """WER of a ticket and of the dense model on the clean test sets, with the test."""
    parts = []
    for name in clean_tests(one):
        score, dense = ticket.scores.get(name), one.dense and one.dense.scores.get(name)
        if score and dense:
            p = "" if score.p_dense is None else f", p of \"worse\" {p_value(score.p_dense)}"
            parts.append(f"{name} WER {score.mean:.1f}, dense {dense.mean:.1f}{p}")
    return "; ".join(parts)


def _lightest(plain: Sequence[Findings]) -> Iterator[Verdict]:
    """The smallest extreme ticket of all, as the paper counts (scope), and of the whole model."""
    having = [one for one in plain if one.extreme]
    for scope, words in ((True, "the weights in scope, as the paper counts"), (False, "the whole model")):
        claim = f"The lightest extreme ticket keeps 4.4% of {words}"
        if not having:
            yield Verdict(claim, "", UNTESTED, "")
            continue
        ranked = sorted(having, key=lambda one: (one.extreme.density_scope if scope else one.extreme.density_whole))
        judged = [(one, extreme(one, 0.044, scope)) for one in ranked]
        one, result = next((pair for pair in judged if pair[1] and pair[1][0]), judged[0])
        good, why = result or (False, "")
        yield Verdict(claim, _name(one), CONFIRMED if good else NOT, why)


def _each(claim: str, family: str, several: Sequence[Findings],
          rule: Callable[[Findings], tuple[bool, str] | None]) -> list[Verdict]:
    """A verdict for each experiment where the rule applies; one that says "not tested" where there is none."""
    judged = [(one, rule(one)) for one in several]
    found = [Verdict(claim, _name(one), CONFIRMED if result[0] else NOT, result[1])
             for one, result in judged if result is not None]
    return found or [Verdict(claim, family, UNTESTED, "")]


def _name(one: Findings) -> str:
    """Experiment, corpus, and what is not as usual in it."""
    parts = [f"{one.experiment.name} ({one.experiment.where})", *([one.training] if one.training != CLEAN else [])]
    return ", ".join([*parts, f"{len(one.dense.seeds)} seed{'s' * (len(one.dense.seeds) > 1)}"] if one.dense else parts)
