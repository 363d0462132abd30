"""The sentences below a figure over several experiments; each is computed from tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures import early_bird as early
from pipeline.figures import names
from pipeline.figures import stability as drawn
from pipeline.figures.shown import Shown
from pipeline.report import findings, wording
from pipeline.report.wording import CHOSEN, count, difference, gaps, several
from pipeline.results.statistics import REINIT, percent
from pipeline.settings import networks
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.results.outcome import Outcome


def convolutions(shown: Shown, details: Sequence[str]) -> list[str]:
    """The earliest early stop, the best metric, and the smallest ticket that is no worse than the dense network."""
    return [f"{_name(shown, name, details)}: {_convolution(shown, shown.outcomes[name])}" for name in shown.outcomes]


def dropout(shown: Shown, details: Sequence[str]) -> list[str]:
    found = []
    for name, outcome in shown.outcomes.items():
        mine = shown.experiment(name)
        twins = [other for other in shown.outcomes if networks.is_same_without_dropout(mine, shown.experiment(other))]
        gain = "The report has no experiment with the same network without dropout."
        if twins:
            other = shown.outcomes[twins[0]].dense
            compared = outcome.metric.compared(float(outcome.dense["value_mean"]), float(other["value_mean"]), "without dropout")
            gain = f"Before pruning, the {outcome.metric.words} is {compared}."
        if networks.has_dropout(mine):
            found.append(f"{_name(shown, name, details)}: {gain} {_convolution(shown, outcome)}")
    return found


def deep(shown: Shown, details: Sequence[str]) -> list[str]:
    """The sentences are about the evaluations at the points of training that the figure shows."""
    return [f"{_name(shown, name, details)}: {_deep(shown, outcome)}" for name, outcome in shown.outcomes.items()]


def stability(shown: Shown, details: Sequence[str]) -> list[str]:
    """The instability of the dense network and of its tickets."""
    found = [
        f"The instability is the largest loss of {shown.metric.words} on the straight line between the final weights of two "
        "trainings that differ in the order of the data, compared with the mean of both ends. Frankle et al. (2020) call a "
        "network stable if its instability is below 2 points of error. The values are means over replicates."
    ]
    for name, outcome in shown.outcomes.items():
        table = drawn.instabilities(outcome)
        values = several([f"{shown.metric.size(row['value_mean'])} at {percent(row['density'])}%" for _, row in table.iterrows()])
        told = f"the instability is {values} of the weights" if values else "nothing was trained twice"
        found.append(f"{_name(shown, name, details)}: {told}.")
    return found


def early_bird(shown: Shown, details: Sequence[str]) -> list[str]:
    """The share of the final mask that the weights at each rewind point determine."""
    found = []
    for rewind, rows in early.by_rewind(shown).items():
        shares = several([f"{100 * row['value_mean']:.0f}% at {percent(row['density'])}%" for _, row in rows.iterrows()])
        found.append(f"at {rewind}, {shares} of the weights" if shares else f"at {rewind}, nothing was examined")
    return [
        "Magnitude pruning of the dense network's weights at an early iteration finds these shares of the mask that it "
        f"makes after training: {'; '.join(found)}. The experiments train the same dense network, and each of them keeps "
        "the weights at its own rewind point."
    ]


def _name(shown: Shown, name: str, details: Sequence[str]) -> str:
    return f"`{name}` ({names.described(shown.experiment(name), details)})"


def _convolution(shown: Shown, outcome: Outcome) -> str:
    if outcome.tickets.empty:
        return "No tickets were trained."
    tickets, ticket = outcome.tickets, shown.label(outcome.main)
    counted = [row for _, row in tickets.iterrows() if not outcome.cut_off([row])] or [tickets.iloc[0]]
    first = min(counted, key=lambda row: float(row["stop_mean"]))
    winning = outcome.no_worse(tickets)
    lines = [
        wording.short(outcome) or findings.fast(shown, outcome, first),
        findings.best(outcome, ticket),
        findings.smallest(outcome, ticket),
        f"In {len(winning)} of {count(len(tickets), 'round')}, the {ticket} is shown to be no worse." if len(winning) else "",
        _reinit(shown, outcome, outcome.table, tickets),
        *findings.full(shown, outcome),
    ]
    return " ".join(line for line in lines if line)


def _deep(shown: Shown, outcome: Outcome) -> str:
    points, metric, ticket = outcome.points(), outcome.metric, shown.label(outcome.main)
    dense = points[points["arm"] == DENSE].sort_values("point")
    values = several([metric.text(value) for value in dense["value_mean"]])
    iterations = several([f"{i:,.0f}" for i in dense["iteration"]])
    start = f"The dense network's test {metric.words} is {values} at iterations {iterations}."
    tickets = outcome.tickets.sort_values("density")
    if tickets.empty:
        return f"{start} No tickets were trained."
    best = tickets.iloc[metric.best(tickets["final_mean"])]
    lines = [
        wording.short(outcome),
        start,
        f"At the end of training, the best {ticket} of {count(len(tickets), 'round')}, {CHOSEN}, is the one with "
        f"{percent(best['density'])}% of the weights: its {metric.words} of {metric.text(float(best['final_mean']))} is "
        f"{difference(outcome, best, outcome.dense, findings.DENSES, 'final')}.",
        _winning(outcome, tickets, ticket),
        _within_a_point(outcome, tickets, ticket),
        _reinit(shown, outcome, _at_the_end(outcome.table), _at_the_end(tickets)),
        *_longer(shown, outcome),
    ]
    return " ".join(line for line in lines if line)


def _at_the_end(table: pd.DataFrame) -> pd.DataFrame:
    """The summary with the metric at the end of training in place of that at early stop."""
    return table.assign(value_mean=table["final_mean"])


def _winning(outcome: Outcome, tickets: pd.DataFrame, ticket: str) -> str:
    """Which rounds gave a ticket that is no worse than the dense network at the end of training."""
    if few := outcome.too_few(tickets):
        return f"Whether a {ticket} is no worse than the dense network at that point is not known, because {few}."
    winning, rounds = outcome.no_worse(tickets, "final"), count(len(tickets), "round")
    text = f"At that point, {len(winning)} of {rounds} gave a {ticket} that is shown to be {wording.no_worse(outcome, 'final')}"
    return text + (f"; the smallest of them keeps {percent(winning['density'].min())}% of the weights." if len(winning) else ".")


def _within_a_point(outcome: Outcome, tickets: pd.DataFrame, ticket: str) -> str:
    """The paper's measure for deep networks, which compares means and applies only to fractions."""
    if not outcome.metric.is_fraction:
        return ""
    level = float(outcome.dense["final_mean"])
    near = tickets.loc[[outcome.metric.gain(float(value), level) >= -0.01 for value in tickets["final_mean"]]]
    if near.empty:
        return f"On average, no {ticket} comes within a point of the dense network."
    smallest = percent(near["density"].min())
    return f"The smallest {ticket} that is, on average, within a point of the dense network keeps {smallest}% of the weights."


def _longer(shown: Shown, outcome: Outcome) -> list[str]:
    """The metric at the end of longer training without pruning."""
    return [
        f"With all weights and {row['end']:,} iterations ({shown.label(row['arm'])}), the {outcome.metric.words} at the "
        f"end of training, {outcome.metric.text(float(row['final_mean']))}, is "
        f"{difference(outcome, row, outcome.dense, findings.DENSES, 'final')}."
        for row in outcome.full
    ]


def _reinit(shown: Shown, outcome: Outcome, table: pd.DataFrame, tickets: pd.DataFrame) -> str:
    label, rows = shown.label(REINIT), table[table["arm"] == REINIT]
    span = gaps(outcome.metric, rows, tickets) if outcome.main != REINIT else ""
    if not span:
        return "The experiment has no controls with fresh weights in these rounds."
    ticket = shown.label(outcome.main)
    return f"The {outcome.metric.words} of {label} minus that of the {ticket} of the same round is {span}."
