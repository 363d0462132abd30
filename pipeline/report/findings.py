"""The findings of an experiment in a few sentences, for the beginning of its section and for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.figures import style
from pipeline.figures.shown import Shown
from pipeline.report import wording
from pipeline.report.wording import CHOSEN, count, difference, several
from pipeline.results import statistics
from pipeline.results.numbers import NEAR_21
from pipeline.results.statistics import REINIT, percent

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.results.outcome import Outcome, Row

DENSE_ONE = "the dense network"
DENSES = "the dense network's"


def findings(shown: Shown) -> list[str]:
    """The sentences about one experiment, without those for which it has no data."""
    outcome = shown.outcome
    ticket = shown.label(outcome.main)
    value = outcome.metric.has("The dense network", float(outcome.dense["value_mean"]))
    lines = [wording.short(outcome), f"{value} at its early stop.", best(outcome, ticket), smallest(outcome, ticket)]
    near = statistics.at_density(outcome.tickets, outcome.main, NEAR_21)
    if near is not None:
        lines += [fast(shown, outcome, near), _fresh(shown, near)]
    return [line for line in lines if line]


def best(outcome: Outcome, ticket: str) -> str:
    row = outcome.best()
    if row is None:
        return ""
    metric, value = outcome.metric, float(row["value_mean"])
    return (
        f"The best {ticket} of {count(len(outcome.tickets), 'round')}, {CHOSEN}, is the one with {percent(row['density'])}% of "
        f"the weights. Its {metric.words} of {metric.text(value)} is {difference(outcome, row, outcome.dense, DENSES)}."
    )


def smallest(outcome: Outcome, ticket: str) -> str:
    """No worse means that the 95% interval of the difference lies above minus the margin. A void comparison has no winner."""
    if outcome.tickets.empty or outcome.is_short:
        return ""
    row = outcome.smallest(outcome.tickets)
    if few := outcome.too_few(outcome.tickets):
        return f"Whether a {ticket} is no worse than {DENSE_ONE} is not known, because {few}."
    if row is None:
        return f"No {ticket} is shown to be {wording.no_worse(outcome)}{_by_chance(outcome)}."
    return (
        f"A {ticket} wins if it is shown to be {wording.no_worse(outcome)}. The smallest winning {ticket} keeps "
        f"{percent(row['density'])}% of the weights. Its {outcome.metric.words} is "
        f"{difference(outcome, row, outcome.dense, DENSES)}.{_unshown(outcome, ticket, row)}"
    )


def unshown(outcome: Outcome, smallest: Row) -> pd.DataFrame:
    """The tickets with more weights than the smallest winning one that are not shown to be no worse than the dense network."""
    larger: pd.DataFrame = outcome.tickets[outcome.tickets["density"] > smallest["density"]]
    return larger.drop(outcome.no_worse(larger).index)


def _unshown(outcome: Outcome, ticket: str, smallest: Row) -> str:
    rows, larger = unshown(outcome, smallest), int((outcome.tickets["density"] > smallest["density"]).sum())
    if rows.empty:
        who = f"the {ticket} with more weights wins" if larger == 1 else f"all {larger} {ticket}s with more weights win"
        return f" {style.capital(who)} too; each is tested separately." if larger else ""
    verb = "is" if len(rows) == 1 else "are"
    return (
        f" Of the {count(larger, 'round')} with more weights, {len(rows)} {verb} not shown to win, at {wording.densities(rows)}; "
        "each is tested separately, without a correction for their number."
    )


def _by_chance(outcome: Outcome) -> str:
    """Which of the worse tickets cannot be distinguished from the dense network; empty without intervals."""
    tickets = [row for _, row in outcome.tickets.iterrows()]
    bounds = [outcome.difference(row, outcome.dense).bounds for row in tickets]
    known = [(row, found) for row, found in zip(tickets, bounds, strict=True) if found is not None]
    if not known:
        return ""
    close = [f"{percent(row['density'])}%" for row, (low, high) in known if low <= 0 <= high]
    if not close:
        return ", and none of the 95% intervals of the differences includes zero"
    which = f"at {several(close)} of the weights"
    return f", but the 95% intervals of {len(close)} of {len(known)} differences include zero, {which}"


def full(shown: Shown, outcome: Outcome) -> list[str]:
    """The metric of longer training without pruning, for example as long as all rounds, and of the ticket of the same round."""
    found = []
    for row in outcome.full:
        words, ticket = outcome.metric.words, statistics.at_round(outcome.table, outcome.main, int(row["round"]))
        text = (
            f"With all weights and {row['end']:,} iterations ({shown.label(row['arm'])}), the {words} at early stop, "
            f"{outcome.metric.text(float(row['value_mean']))}, is {difference(outcome, row, outcome.dense, DENSES)}."
        )
        if ticket is not None:
            who = f"the {shown.label(outcome.main)} of the same round, with {percent(ticket['density'])}% of the weights,"
            text += f" Compared with this, the {words} of {who} is {difference(outcome, ticket, row)}."
        found.append(text)
    return found


def fast(shown: Shown, outcome: Outcome, row: Row) -> str:
    """How fast a ticket reaches its early stop, or why its speed is not given when training was too short for it."""
    who = f"the {shown.label(row['arm'])} with {percent(row['density'])}% of the weights"
    if outcome.is_short:
        return ""  # another sentence says so of the whole experiment
    if void := wording.not_compared(shown, outcome, [outcome.dense, row]):
        return f"For {who} and {DENSE_ONE}, {void}."
    return f"{style.capital(wording.speed(who, row, DENSE_ONE, outcome.dense))}."


def _fresh(shown: Shown, ticket: Row) -> str:
    """The ticket's own masks with fresh weights."""
    outcome = shown.outcome
    row = statistics.at_round(outcome.table, REINIT, int(ticket["round"]))
    if row is None or ticket["arm"] == REINIT:
        return ""
    who, other = f"the {shown.label(ticket['arm'])}", f"{shown.label(REINIT)}, the same masks with fresh weights"
    start, words = f"At {percent(ticket['density'])}% of the weights, ", outcome.metric.words
    if void := wording.not_compared(shown, outcome, [row, ticket]):
        return f"{start}the {words} of {who} is {difference(outcome, ticket, row, f'that of {other}')}; {void}."
    return f"{start}{wording.speed(who, ticket, other, row)}, and its {words} is {difference(outcome, ticket, row)}."
