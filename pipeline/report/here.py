"""The sentences below a figure of one experiment about what was measured here; each is computed from tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pipeline.figures import style
from pipeline.figures.differences import rounds as drawn_rounds
from pipeline.figures.shown import Shown
from pipeline.report import findings, wording
from pipeline.report.wording import at_own, densities, difference, earlier, gaps, several, stop
from pipeline.results import statistics
from pipeline.results.statistics import REINIT, percent
from pipeline.settings import networks
from pipeline.values.lanes import DENSE

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.results.outcome import Row

ASKED = (0.211, 0.135, 0.036)  # where the paper compares LeNet's tickets with the dense network and with reinitialised ones


def learning_curves(shown: Shown, arms: Sequence[str]) -> list[str]:
    outcome = shown.outcome
    table = outcome.table[outcome.table["arm"].isin([DENSE, arms[0]])]
    asked = statistics.nearest_rounds(table, shown.config.figures.densities)  # as the figure does
    rows = [row for _, row in table[table["round"].isin(asked)].iterrows()]
    stops = several([f"{stop(row)} at {percent(row['density'])}%" for row in rows])
    top = rows[outcome.metric.best([row["value_mean"] for row in rows])]
    first = [f"{percent(row['density'])}%" for row in rows if row["stop_mean"] == min(each["stop_mean"] for each in rows)]
    void = wording.not_compared(shown, outcome, rows)
    value = f"{outcome.metric.text(float(top['value_mean']))}, at {percent(top['density'])}%"
    return [
        f"The mean early-stop iteration is {stops} of the weights. "
        + (f"{style.capital(void)}. " if void else f"Among these, it is earliest at {several(first)}. ")
        + f"The best {outcome.metric.words} at early stop among them is {value}."
    ]


def early_stop(shown: Shown, arms: Sequence[str]) -> list[str]:
    """At the densities that the paper discusses; for other networks, the earliest, the best and the smallest ticket."""
    outcome = shown.outcome
    tickets = outcome.tickets
    if networks.is_lenet(shown.experiment(shown.name)):
        near = [statistics.at_density(tickets, outcome.main, density) for density in ASKED]
        chosen = list({int(row["round"]): row for row in near if row is not None}.values())
    else:
        best = outcome.metric.best(tickets["value_mean"]) if len(tickets) else 0
        places = [int(tickets["stop_mean"].argmin()), best, int(tickets["density"].argmin())] if len(tickets) else []
        chosen = [tickets.iloc[i] for i in sorted(set(places))]
    found = [_beside(shown, row) for row in chosen] or ["No ticket was trained near the densities that the paper discusses."]
    if REINIT not in outcome.arms:
        found.append("The experiment has no controls with fresh weights (`arms.reinit` in its settings).")
    return [line for line in (wording.short(outcome), *found, *findings.full(shown, outcome), _censored(shown)) if line]


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
        when += (
            f" At {densities(void)}, the end of training cuts it off in most lanes, so it is not compared." if len(void) else ""
        )
    winners = f" In these rounds, {_smallest(shown, 'one_shot', rows)}, and {_smallest(shown, outcome.main, same)}."
    return [
        f"One-shot tickets were trained at {densities(rows)} of the weights. {when} Their {outcome.metric.words} is better than "
        f"the dense network's at {densities(better)}.{'' if outcome.is_short else winners}"
    ]


def _smallest(shown: Shown, arm: str, rows: pd.DataFrame) -> str:
    row, label = shown.outcome.smallest(rows), shown.label(arm)
    if row is None:
        return f"no {label} is shown to be no worse than the dense network"
    return f"the smallest {label} that is shown to be no worse than the dense network keeps {percent(row['density'])}%"


def further_arms(shown: Shown, arms: Sequence[str]) -> list[str]:
    outcome = shown.outcome
    told_elsewhere = (outcome.main, *(row["arm"] for row in outcome.full))
    spans = {arm: gaps(outcome.metric, outcome.rows(arm), outcome.tickets) for arm in arms if arm not in told_elsewhere}
    compared = [arm for arm, span in spans.items() if span]
    ticket = shown.label(outcome.main)
    if not compared:
        return [f"No arm was trained in the same rounds as the {ticket}."]
    found = "; ".join(f"{spans[arm]} for {shown.label(arm)}" for arm in compared)
    text = f"The {outcome.metric.words} at early stop minus that of the {ticket} of the same round is {found}."
    return [line for line in (wording.short(outcome), text, _at_smallest(shown, compared)) if line]


def differences(shown: Shown, arms: Sequence[str]) -> list[str]:
    """Compares each arm with the ticket of the same round, from the best arm to the worst."""
    outcome, ticket, found = shown.outcome, shown.label(shown.outcome.main), []
    for number in drawn_rounds(outcome, arms):
        beside = statistics.at_round(outcome.table, outcome.main, number)
        if beside is None:
            continue
        rows = [row for arm in arms if (row := statistics.at_round(outcome.table, arm, number)) is not None]
        ranked = sorted(rows, key=lambda row: -outcome.metric.gain(float(row["value_mean"]), 0.0))
        density = percent(beside["density"])
        labels = [at_own(shown.label(row["arm"]), row, beside["density"]) for row in ranked]
        told = "; ".join(f"{who}: {difference(outcome, row, beside)}" for who, row in zip(labels, ranked, strict=True))
        found.append(
            f"At {density}% of the weights, the {outcome.metric.words} of the arms differs from the {ticket}'s as follows, "
            f"beginning with the best arm: {told}."
        )
    return found


def _at_smallest(shown: Shown, arms: Sequence[str]) -> str:
    """Compares each arm with the ticket of the last round that all arms share or, without one, of each arm's own last round."""
    outcome, ticket = shown.outcome, shown.label(shown.outcome.main)
    rounds = {arm: set(outcome.rows(arm)["round"]).intersection(outcome.tickets["round"]) for arm in arms}
    shared, rows = set.intersection(*rounds.values()), outcome.table.set_index(["arm", "round"], drop=False)
    pairs = {arm: [rows.loc[a, max(shared or rounds[arm])] for a in (arm, outcome.main)] for arm in arms}
    if any(percent(row["density"]) != percent(beside["density"]) for row, beside in pairs.values()):  # another structure
        own = f"In the last round that each shares with the {ticket}"
        start = f"In round {max(shared)}, the last that all share" if shared else own
        where = {
            arm: f" at {percent(row['density'])}% (the {ticket}: {percent(its['density'])}%)" for arm, (row, its) in pairs.items()
        }
    elif shared:
        start = f"At {percent(pairs[arms[0]][0]['density'])}% of the weights, the smallest density that all share"
        where = dict.fromkeys(arms, "")
    else:
        start = f"At the smallest density that each shares with the {ticket}"
        where = {arm: f" at {percent(row['density'])}%" for arm, (row, _) in pairs.items()}
    found = [f"{difference(outcome, row, its)} for {shown.label(arm)}{where[arm]}" for arm, (row, its) in pairs.items()]
    return f"{start}, the {outcome.metric.words}, compared with the {ticket}'s, is {'; '.join(found)}."


def _beside(shown: Shown, row: Row) -> str:
    """Compares a ticket with the dense network and with the same masks with fresh weights."""
    outcome, reinit = shown.outcome, statistics.at_round(shown.outcome.table, REINIT, int(row["round"]))
    where = f"At {percent(row['density'])}% of the weights, compared with the dense network"
    text = f"{where}, {_against(shown, row, outcome.dense)}."
    if reinit is None or outcome.main == REINIT:
        return text
    return f"{text} Compared with {shown.label(REINIT)}, {_against(shown, row, reinit)}."


def _against(shown: Shown, row: Row, other: Row) -> str:
    outcome, ticket = shown.outcome, f"the {shown.label(row['arm'])}'s"
    value = f"{outcome.metric.words} is {difference(outcome, row, other)}"
    cut = outcome.cut_off([row, other])
    if outcome.is_short:  # another sentence says so
        return f"{ticket} {value}"
    if cut:
        names = {DENSE: "the dense network", outcome.main: f"the {shown.label(outcome.main)}"}
        whose = [names.get(each["arm"], shown.label(each["arm"])) for each in cut]
        return f"{ticket} {value}; early stops are not compared, because the end of training cuts off that of {several(whose)}"
    return f"{ticket} early stop comes {earlier(row, other)}, and its {value}"


def _censored(shown: Shown) -> str:
    """The early stops that the end of training may have cut off, so that their true values may be later."""
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
