"""The sentences below a figure on what was measured here, each worked out from tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures import names, networks, style
from pipeline.figures.shown import Shown
from pipeline.report import findings, wording
from pipeline.report.wording import CHOSEN, count, densities, difference, earlier, gaps, several, stop
from pipeline.results import statistics
from pipeline.results.statistics import REINIT, percent
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.results.outcome import Outcome, Row

ASKED = (0.211, 0.135, 0.036)  # densities that the paper speaks of where it compares LeNet's tickets with dense and reinit


def learning_curves(shown: Shown, arms: Sequence[str]) -> list[str]:
    outcome = shown.outcome
    table = outcome.table[outcome.table["arm"].isin([DENSE, arms[0]])]
    asked = statistics.nearest_rounds(table, shown.config.figures.densities)  # as the figure does
    rows = [row for _, row in table[table["round"].isin(asked)].iterrows()]
    stops = several([f"{stop(row)} at {percent(row['density'])}%" for row in rows])
    top = rows[outcome.metric.best([row["value_mean"] for row in rows])]
    first = min(rows, key=lambda row: float(row["stop_mean"]))
    void = wording.not_compared(shown, outcome, rows)
    value = f"{outcome.metric.text(float(top['value_mean']))}, at {percent(top['density'])}%"
    return [
        f"The mean early-stop iteration is {stops} of the weights. "
        + (f"{style.capital(void)}. " if void else f"It is earliest at {percent(first['density'])}%. ")
        + f"The best {outcome.metric.words} at early stop is {value}."
    ]


def early_stop(shown: Shown, arms: Sequence[str]) -> list[str]:
    """At the densities the paper speaks of; of other networks, the tickets that stop earliest, are best and are smallest."""
    outcome = shown.outcome
    tickets = outcome.tickets
    if networks.is_lenet(shown.experiment(shown.name)):
        near = [statistics.at_density(tickets, outcome.main, density) for density in ASKED]
        chosen = list({int(row["round"]): row for row in near if row is not None}.values())
    else:
        best = outcome.metric.best(tickets["value_mean"]) if len(tickets) else 0
        places = [int(tickets["stop_mean"].argmin()), best, int(tickets["density"].argmin())] if len(tickets) else []
        chosen = [tickets.iloc[i] for i in sorted(set(places))]
    found = [_beside(shown, row) for row in chosen] or ["No ticket was trained near the densities that the paper speaks of."]
    if REINIT not in outcome.arms:
        found.append("The experiment has no controls with fresh weights (`arms.reinit` in params.yaml).")
    return [line for line in (wording.short(outcome), *found, _censored(shown)) if line]


def one_shot(shown: Shown, arms: Sequence[str]) -> list[str]:
    outcome = shown.outcome
    rows, dense = outcome.rows("one_shot"), outcome.dense
    same = outcome.tickets[outcome.tickets["round"].isin(list(rows["round"]))]  # one-shot tickets are trained in some rounds
    better = rows.loc[[outcome.metric.gain(float(v), float(dense["value_mean"])) > 0 for v in rows["value_mean"]]]
    void = rows.loc[[bool(outcome.cut_off([row])) for _, row in rows.iterrows()]]
    sooner = rows[(rows["stop_mean"] < dense["stop_mean"]) & ~rows["density"].isin(list(void["density"]))]
    when = wording.short(outcome)
    if not when:
        when = f"Their early stop is earlier than the dense network's at {densities(sooner)}."
        when += f" At {densities(void)} it is a lower bound, cut off by the end of training." if len(void) else ""
    smallest = [_smallest(shown, "one_shot", rows), _smallest(shown, outcome.main, same)]
    return [
        f"One-shot tickets were trained at {densities(rows)} of the weights. {when} Their {outcome.metric.words} is better than "
        f"the dense network's at {densities(better)}. Of these rounds, the smallest that are no worse than the dense network "
        f"are {several(smallest)}."
    ]


def _smallest(shown: Shown, arm: str, rows: pd.DataFrame) -> str:
    row = shown.outcome.smallest(rows)
    return f"no {shown.label(arm)}" if row is None else f"the {shown.label(arm)} at {percent(row['density'])}%"


def further_arms(shown: Shown, arms: Sequence[str]) -> list[str]:
    outcome = shown.outcome
    spans = {shown.label(arm): gaps(outcome.metric, outcome.rows(arm), outcome.tickets) for arm in arms if arm != outcome.main}
    found = [f"for {label} {span}" for label, span in spans.items() if span]
    tickets = shown.label(outcome.main)
    if not found:
        return [f"No arm was trained in the same rounds as the {tickets}."]
    text = f"The difference in {outcome.metric.words} at early stop from the {tickets} of the same round is {'; '.join(found)}."
    return [line for line in (wording.short(outcome), text) if line]


def convolutions(shown: Shown, details: Sequence[str]) -> list[str]:
    """Early stop and the metric at best, and how small a ticket is no worse than dense."""
    return [f"{_name(shown, name, details)}: {_convolution(shown, shown.outcomes[name])}" for name in shown.outcomes]


def dropout(shown: Shown, details: Sequence[str]) -> list[str]:
    found = []
    for name, outcome in shown.outcomes.items():
        mine = shown.experiment(name)
        twins = [other for other in shown.outcomes if networks.is_same_without_dropout(mine, shown.experiment(other))]
        gain = "The report has no such experiment without dropout."
        if twins:
            other = shown.outcomes[twins[0]].dense
            compared = outcome.metric.compared(float(outcome.dense["value_mean"]), float(other["value_mean"]), "without dropout")
            gain = f"Before pruning, the {outcome.metric.words} is {compared}."
        if networks.has_dropout(mine):
            found.append(f"{_name(shown, name, details)}: {gain} {_convolution(shown, outcome)}")
    return found


def deep(shown: Shown, details: Sequence[str]) -> list[str]:
    """From the evaluations at the points of training that the figure shows."""
    return [f"{_name(shown, name, details)}: {_deep(shown, outcome)}" for name, outcome in shown.outcomes.items()]


def _name(shown: Shown, name: str, details: Sequence[str]) -> str:
    return f"`{name}` ({names.described(shown.experiment(name), details)})"


def _beside(shown: Shown, row: Row) -> str:
    """A ticket against the dense network, and against the same masks with fresh weights."""
    outcome, reinit = shown.outcome, statistics.at_round(shown.outcome.table, REINIT, int(row["round"]))
    where = f"At {percent(row['density'])}% of the weights and compared with the dense network"
    text = f"{where}, {_against(shown, row, outcome.dense)}."
    if reinit is None or outcome.main == REINIT:
        return text
    return f"{text} Compared with {shown.label(REINIT)}, {_against(shown, row, reinit)}."


def _against(shown: Shown, row: Row, other: Row) -> str:
    outcome, ticket = shown.outcome, f"the {shown.label(row['arm'])}'s"
    value = f"{outcome.metric.words} is {difference(outcome, row, other)}"
    cut = outcome.cut_off([row, other])
    if outcome.is_short:  # which is said above
        return f"{ticket} {value}"
    if cut:
        whose = [f"the {shown.label(r['arm'])}" if r["arm"] != DENSE else "the dense network" for r in cut]
        return f"{ticket} {value}; early stops are not compared, because the end of training cuts off that of {several(whose)}"
    return f"{ticket} early stop comes {earlier(row, other)}, and its {value}"


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
        f"Of {count(len(tickets), 'round')}, {len(winning)} gave a {ticket} no worse than the dense network.",
        findings.smallest(outcome, ticket),
        _reinit(shown, outcome, outcome.table, tickets),
    ]
    return " ".join(line for line in lines if line)


def _deep(shown: Shown, outcome: Outcome) -> str:
    table, metric, ticket = outcome.points(), outcome.metric, shown.label(outcome.main)
    dense = table[table["arm"] == DENSE].sort_values("point")
    last, end = dense.iloc[-1], table[table["point"] == table["point"].max()]
    values = several([metric.text(value) for value in dense["value_mean"]])
    iterations = several([f"{i:,.0f}" for i in dense["iteration"]])
    start = f"The dense network's test {metric.words} is {values} at iterations {iterations}."
    tickets = end[end["arm"] == outcome.main].sort_values("density")
    if tickets.empty:
        return f"{start} No tickets were trained."
    best, level = tickets.iloc[metric.best(tickets["value_mean"])], float(last["value_mean"])
    winning = outcome.no_worse(tickets, level)
    reached = metric.text(float(best["value_mean"]))
    compared = metric.compared(float(best["value_mean"]), level, "the dense network's")
    lines = [
        wording.short(outcome),
        start,
        f"At the end of training, the best of {count(len(tickets), 'round')}, {CHOSEN}, is the {ticket} with "
        f"{percent(best['density'])}% of the weights: its {metric.words} of {reached} is {compared}.",
        f"Then {len(winning)} of {len(tickets)} are no worse than the dense network"
        + (f", the smallest at {percent(winning['density'].min())}% of the weights." if len(winning) else "."),
        _within_a_point(outcome, tickets, level),
        _reinit(shown, outcome, end, tickets),
    ]
    return " ".join(line for line in lines if line)


def _within_a_point(outcome: Outcome, tickets: pd.DataFrame, level: float) -> str:
    """The paper's measure for deep networks; of fractions only."""
    if not outcome.metric.is_fraction:
        return ""
    near = tickets.loc[[outcome.metric.gain(float(value), level) >= -0.01 for value in tickets["value_mean"]]]
    return f"They are within a point of it down to {percent(near['density'].min())}%." if len(near) else "None is within a point."


def _reinit(shown: Shown, outcome: Outcome, table: pd.DataFrame, tickets: pd.DataFrame) -> str:
    label, rows = shown.label(REINIT), table[table["arm"] == REINIT]
    span = gaps(outcome.metric, rows, tickets) if outcome.main != REINIT else ""
    if not span:
        return "The experiment has no controls with fresh weights in these rounds."
    ticket = shown.label(outcome.main)
    return f"The difference in {outcome.metric.words} of {label} from the {ticket} of the same round is {span}."


def _censored(shown: Shown) -> str:
    """Early stops that the end of training may have cut off: their true values may be later."""
    table = shown.outcome.table
    late = table[table["censored"] > 0]
    arms = [
        "the dense network" if arm == DENSE else f"{shown.label(str(arm))} at {densities(rows)}"
        for arm, rows in late.groupby("arm", sort=False)
    ]
    if not arms:
        return ""
    return (
        "The validation loss of some trainings was lowest in the last 5% of their iterations, so that their early stop is a "
        f"lower bound: {'; '.join(arms)}."
    )
