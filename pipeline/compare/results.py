"""What a change did to the results of one experiment: how much each headline number changed, and how much of it may be noise.

A change is the mean of the differences of each seed, after its draws have been averaged. The noise is the 95% interval of this
mean (`results/intervals.py`): if it includes zero, replicates differ too much to say that anything has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.results import intervals, statistics
from pipeline.results.intervals import Difference
from pipeline.results.numbers import NEAR_21
from pipeline.results.outcome import Outcome
from pipeline.results.statistics import REINIT, percent
from pipeline.values.errors import UserError
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    from pipeline.results.outcome import Row

    Rows = tuple[Row | None, Row | None]  # the same network before and after

NONE = "–"
STOP = "early_stop_iteration"
WITHIN = "within the noise"


@dataclass(frozen=True)
class Change:
    """One row of the table, as text. verdict: whether the change is more than noise, or why that is not known."""

    what: str
    before: str
    after: str
    change: str = NONE
    interval: str = NONE
    verdict: str = ""


def changes(before: Outcome, after: Outcome) -> list[Change]:
    """Of the dense network, of the ticket near 21% of the weights and of its reinitialised control; of the smallest winner.

    Raises: UserError when the two are not measured in the same way.
    """
    if before.metric != after.metric:
        raise UserError(f"the metric was {before.metric.name} and is {after.metric.name}, so no numbers can be compared")
    both = (before, after)
    pairs: dict[str, Rows] = {DENSE: (before.dense, after.dense)}
    near = (_near(before), _near(after))
    pairs[_named(after.main, near)] = near
    control = (_control(before, near[0]), _control(after, near[1]))
    if any(row is not None for row in control):
        pairs[_named(REINIT, control)] = control
    measured = [_of_metric(both, who, rows) for who, rows in pairs.items()]
    stopped = [_of_stop(both, who, rows) for who, rows in pairs.items()]
    return [*measured, *stopped, _of_winner(before, after)]


def seeds(before: Outcome, after: Outcome) -> int:
    """The number of replicates that both have."""
    return len({*before.lanes["seed"]} & {*after.lanes["seed"]})


def _near(outcome: Outcome) -> Row | None:
    """The ticket whose density is nearest to the one at which the paper compares."""
    rounds = statistics.nearest_rounds(outcome.tickets, [NEAR_21])
    return statistics.at_round(outcome.table, outcome.main, rounds[0]) if rounds else None


def _control(outcome: Outcome, ticket: Row | None) -> Row | None:
    if ticket is None or ticket["arm"] == REINIT:
        return None
    return statistics.at_round(outcome.table, REINIT, int(ticket["round"]))


def _named(arm: str, rows: Rows) -> str:
    densities = dict.fromkeys(f"{percent(row['density'])}%" for row in rows if row is not None)
    return f"{arm} at {' → '.join(densities)}" if densities else arm


def _of_metric(both: tuple[Outcome, Outcome], who: str, rows: Rows) -> Change:
    metric = both[0].metric
    before, after = (NONE if row is None else metric.text(float(row["value_mean"])) for row in rows)
    found = _difference(both, rows, metric.at_early_stop)
    word = _word(found, lambda mean: "better" if metric.gain(mean, 0.0) > 0 else "worse")
    return _told(f"{metric.words}, {who}", (before, after), found, metric.gap, metric.between, word)


def _of_stop(both: tuple[Outcome, Outcome], who: str, rows: Rows) -> Change:
    """Where training ended before the minimum of the validation loss, an early stop is only a lower bound."""
    late = [row is not None and bool(outcome.cut_off([row])) for outcome, row in zip(both, rows, strict=True)]
    marked = zip(rows, late, strict=True)
    before, after = (NONE if row is None else f"{'≥' if is_late else ''}{row['stop_mean']:,.0f}" for row, is_late in marked)
    what = f"early stop, {who}"
    if any(late):
        return Change(what, before, after, verdict="unknown: cut off")
    found = _difference(both, rows, STOP)
    word = _word(found, lambda mean: "later" if mean > 0 else "sooner")
    return _told(what, (before, after), found, "{:+,.0f}".format, lambda low, high: f"{low:+,.0f} to {high:+,.0f}", word)


def _of_winner(before: Outcome, after: Outcome) -> Change:
    was, is_now = _winner(before), _winner(after)
    word = "unknown: cut off" if before.is_short or after.is_short else "the same" if was == is_now else "changed"
    return Change("smallest winning density", was, is_now, verdict=word)


def _winner(outcome: Outcome) -> str:
    if outcome.tickets.empty or outcome.is_short or outcome.too_few(outcome.tickets):
        return "unknown"
    row = outcome.smallest(outcome.tickets)
    return "none" if row is None else f"{percent(row['density'])}%"


def _difference(both: tuple[Outcome, Outcome], rows: Rows, column: str) -> Difference | None:
    before, after = rows
    if before is None or after is None:
        return None
    lanes = [
        outcome.lanes[(outcome.lanes["arm"] == row["arm"]) & (outcome.lanes["round"] == row["round"])]
        for outcome, row in zip(both, (before, after), strict=True)
    ]
    return intervals.paired(lanes[1], lanes[0], column)


def _word(found: Difference | None, direction: Callable[[float], str]) -> str:
    if found is None:
        return "only in one of them"
    if found.error is None:
        return f"unknown: {found.n} common seed{'' if found.n == 1 else 's'}, {intervals.FEWEST} are needed"
    if found.bounds is None:  # all differences are equal
        return "the same in every seed" if found.mean == 0 else f"{direction(found.mean)}, by the same in every seed"
    low, high = found.bounds
    return WITHIN if low <= 0 <= high else direction(found.mean)


def _told(
    what: str,
    texts: tuple[str, str],
    found: Difference | None,
    gap: Callable[[float], str],
    between: Callable[[float, float], str],
    verdict: str,
) -> Change:
    if found is None or found.n == 0:
        return Change(what, *texts, verdict=verdict)
    bounds = found.bounds
    return Change(what, *texts, gap(found.mean), NONE if bounds is None else between(*bounds), verdict)
