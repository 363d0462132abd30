"""The sentences below the figure that compares many criteria and scopes; each is computed from tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures.criteria import RANDOM
from pipeline.figures.shown import Shown
from pipeline.report import wording
from pipeline.report.wording import at_own, difference
from pipeline.results import statistics
from pipeline.results.statistics import percent

if TYPE_CHECKING:
    from pipeline.results.outcome import Row


def criteria(shown: Shown, arms: Sequence[str]) -> list[str]:
    """Ranks the arms at each density, compares each with random pruning, and compares the best one with the ticket."""
    outcome = shown.outcome
    densities = outcome.table.loc[outcome.table["arm"].isin(arms)].groupby("round").size()
    rounds = [int(k) for k in densities.index if 2 * densities[k] >= len(arms)]
    found = [_at(shown, number, arms) for number in rounds]
    return [line for line in (wording.short(outcome), *found) if line]


def _at(shown: Shown, number: int, arms: Sequence[str]) -> str:
    outcome = shown.outcome
    rows = {arm: row for arm in arms if (row := statistics.at_round(outcome.table, arm, number)) is not None}
    order = sorted(rows, key=lambda arm: -outcome.metric.gain(float(rows[arm]["value_mean"]), 0.0))
    density = float(next(iter(rows.values()))["density"])
    values = {arm: outcome.metric.text(float(rows[arm]["value_mean"])) for arm in order}
    ranks = "; ".join(f"{at_own(shown.label(arm), rows[arm], density)}: {value}" for arm, value in values.items())
    text = f"At {percent(density)}% of the weights, the arms rank as follows by their mean {outcome.metric.words}: {ranks}."
    return " ".join(filter(None, [text, _against_ticket(shown, rows, order), _against_random(shown, rows, order)]))


def _against_ticket(shown: Shown, rows: dict[str, Row], order: list[str]) -> str:
    """Compares the best other arm with the ticket, which in addition costs the training of all rounds before."""
    main = shown.outcome.main
    others = [arm for arm in order if arm != main]
    if main not in rows or not others:
        return ""
    ticket, words = shown.label(main), shown.outcome.metric.words
    text = difference(shown.outcome, rows[others[0]], rows[main], f"that of the {ticket}")
    return f"The best arm other than the {ticket} is {shown.label(others[0])}, whose {words} is {text}."


def _against_random(shown: Shown, rows: dict[str, Row], order: list[str]) -> str:
    if RANDOM not in rows:
        return ""
    told = [f"{shown.label(arm)}: {difference(shown.outcome, rows[arm], rows[RANDOM])}" for arm in order if arm != RANDOM]
    words = shown.outcome.metric.words
    return f"Compared with {shown.label(RANDOM)}, the {words} differs as follows: {'; '.join(told)}." if told else ""
