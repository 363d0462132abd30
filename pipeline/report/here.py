"""The report's sentences on what was measured, each worked out from tables."""

from collections.abc import Sequence

import pandas as pd

from pipeline.results import statistics
from pipeline.results.statistics import Metrics, at_density, at_round, percent
from pipeline.results.wording import against, densities, level, points, several, times
from pipeline.values.lanes import ARMS

STOP, ACCURACY = "early_stop_iteration_mean", "accuracy_at_early_stop_mean"
LATE = 0.95  # of training: a minimum of the validation loss from there on may have been followed by lower ones


def findings(numbers: Metrics) -> list[str]:
    """metrics.json in plain words; what is null there is left out."""
    dense, best, density = (numbers[key] for key in ("dense_accuracy", "best_ticket_accuracy", "best_ticket_density"))
    smallest, speedup = numbers["smallest_winning_density"], numbers["early_stop_speedup_at_21"]
    slowdown, gap = numbers["reinit_early_stop_ratio_at_21"], numbers["reinit_accuracy_gap_at_21"]
    lines = [f"Dense network: {dense:.2%} of the test images right."]
    if best is not None and density is not None and dense is not None:
        lines.append(f"Best ticket: {best:.2%} ({points(best - dense)}), with {percent(density)}% of the weights.")
    if smallest is not None and smallest < 1:
        lines.append(f"Smallest ticket no worse than dense: {percent(smallest)}% of the weights.")
    elif best is not None:
        lines.append("No ticket is as accurate as the dense network.")
    near = numbers["density_near_21"]
    if speedup is not None and near is not None:
        lines.append(f"At {percent(near)}% of the weights a ticket's early stop comes {times(speedup)} the dense network's.")
    if slowdown is not None and gap is not None:
        lines.append(
            f"There a ticket's early stop comes {times(slowdown)} that of the same masks with fresh weights (reinit), "
            f"and its accuracy is {level(gap)} theirs."
        )
    return lines


def in_curves(table: pd.DataFrame, asked: Sequence[float]) -> str:
    tickets = (at_density(table, "ticket", density) for density in asked)
    rows = list({int(row["round"]): row for row in tickets if row is not None}.values())
    if not rows:
        return "the experiment has no ticket near the densities of `figures` in params.yaml."
    stops = ", ".join(f"{row[STOP]:,.0f} at {percent(row['density'])}%" for row in rows)
    first = min(rows, key=lambda row: float(row[STOP]))
    top = max(rows, key=lambda row: float(row[ACCURACY]))
    return (
        f"the mean early-stop iteration is {stops}. The earliest is at {percent(first['density'])}%, "
        f"the highest accuracy, {top[ACCURACY]:.2%}, at {percent(top['density'])}%."
    )


def in_early_stop(table: pd.DataFrame, iterations: int, asked: Sequence[float]) -> str:
    """asked: the densities the paper speaks of. Without any: the tickets that stop earliest, and are best and smallest."""
    dense, pruned = table[table["round"] == 0].iloc[0], table[(table["arm"] == "ticket") & (table["round"] > 0)]
    if asked:
        chosen = [row for row in (at_density(pruned, "ticket", density) for density in asked) if row is not None]
    else:
        places = [pruned[STOP].argmin(), pruned[ACCURACY].argmax(), pruned["density"].argmin()] if len(pruned) else []
        chosen = [pruned.iloc[int(i)] for i in sorted(set(places))]
    seen = []
    for row in chosen:
        reinit = at_round(table, "reinit", int(row["round"]))
        beside = "" if reinit is None else f", against reinit: {against(row, reinit)}"
        seen.append(f"at {percent(row['density'])}% of the weights, against dense: {against(row, dense)}{beside}")
    controls = (
        "" if "reinit" in set(table["arm"]) else " The experiment has no reinitialised controls (`arms.reinit` in params.yaml)."
    )
    return f"{'; '.join(seen) or 'the experiment has no ticket near these densities'}.{controls}{_at_the_end(table, iterations)}"


def in_one_shot(table: pd.DataFrame) -> str:
    rows, dense = table[table["arm"] == "one_shot"], table[table["round"] == 0].iloc[0]
    earlier, better = rows[rows[STOP] < dense[STOP]], rows[rows[ACCURACY] > dense[ACCURACY]]
    # The same rounds for both: one-shot tickets are trained in some rounds only.
    winning = table[table["round"].isin(list(rows["round"])) & (table[ACCURACY] >= dense[ACCURACY])]
    smallest = {
        arm: f"{percent(found.min())}%" if len(found := winning.loc[winning["arm"] == arm, "density"]) else "none"
        for arm in ("one_shot", "ticket")
    }
    return (
        f"of one-shot tickets at {densities(rows)}, early stop is earlier than dense at {densities(earlier)} "
        f"and accuracy higher at {densities(better)}. The smallest ticket of these rounds that is no worse than "
        f"dense: {smallest['one_shot']} one-shot, {smallest['ticket']} iterative."
    )


def in_arms(table: pd.DataFrame, arms: Sequence[str]) -> str:
    tickets = table[table["arm"] == "ticket"]
    spans = {ARMS[arm].label: _gaps(table[table["arm"] == arm], tickets, ACCURACY) for arm in arms}
    seen = "; ".join(f"{label} {span}" for label, span in spans.items() if span)
    return f"accuracy at early stop against the tickets of the same rounds: {seen}."


def in_convolutions(table: pd.DataFrame, iterations: int) -> str:
    """Early stop and accuracy at best, and how small a ticket is no worse than dense."""
    dense, pruned = table[table["round"] == 0].iloc[0], table[(table["arm"] == "ticket") & (table["round"] > 0)]
    if pruned.empty:
        return "no tickets"
    first, best = pruned.iloc[int(pruned[STOP].argmin())], pruned.iloc[int(pruned[ACCURACY].argmax())]
    late = dense["early_stop_iteration_max"] >= LATE * iterations
    cut = "; the dense network's own may be cut off by the end of training" if late else ""
    sooner = times(dense[STOP] / first[STOP]) if first[STOP] else "at iteration 0, sooner than"
    return (
        f"at best, early stop comes {sooner} dense (at {percent(first['density'])}% of the weights{cut}) and accuracy is "
        f"{points(best[ACCURACY] - dense[ACCURACY])} against dense ({percent(best['density'])}%); "
        f"{_winning(pruned, dense, ACCURACY)}{_reinit(table[table['arm'] == 'reinit'], pruned, ACCURACY)}"
    )


def in_dropout(table: pd.DataFrame, without: pd.DataFrame | None, iterations: int) -> str:
    gain = "the report has no such experiment without dropout"
    if without is not None:
        difference = table[table["round"] == 0].iloc[0][ACCURACY] - without[without["round"] == 0].iloc[0][ACCURACY]
        gain = f"{points(difference)} before pruning against the same without dropout"
    return f"{gain}; {in_convolutions(table, iterations)}"


def in_deep(curves: pd.DataFrame) -> str:
    """From the evaluations at the points of training that the figure shows."""
    table = statistics.at_points(curves).rename(columns={"test_accuracy_mean": "accuracy"})
    tickets = table[table["arm"] == "ticket"]
    dense = tickets[tickets["round"] == 0].sort_values("point")
    iterations = several([f"{i:,.0f}" for i in dense["iteration"]])
    start = f"dense network {several([f'{a:.1%}' for a in dense['accuracy']])} at iterations {iterations}"
    end, last = tickets[(tickets["point"] == tickets["point"].max())], dense.iloc[-1]
    pruned = end[end["round"] > 0]
    if pruned.empty:
        return f"{start}; no tickets"
    best, near = pruned.iloc[int(pruned["accuracy"].argmax())], pruned[pruned["accuracy"] >= last["accuracy"] - 0.01]
    within = f"down to {percent(near['density'].min())}%" if len(near) else "nowhere"
    reinits = table[(table["arm"] == "reinit") & (table["point"] == end["point"].max())]
    return (
        f"{start}; at the end the best ticket has {best['accuracy']:.1%} ({points(best['accuracy'] - last['accuracy'])}) with "
        f"{percent(best['density'])}% of the weights, {_winning(pruned, last, 'accuracy')}, within a point of dense {within}"
        f"{_reinit(reinits, pruned, 'accuracy')}"
    )


def _gaps(rows: pd.DataFrame, tickets: pd.DataFrame, measure: str) -> str:
    """How far above the tickets of the same rounds: the smallest and the largest difference; empty without such rounds."""
    pairs = rows.merge(tickets[["round", measure]], on="round", suffixes=("", "_ticket"))
    if pairs.empty:
        return ""
    gaps = pairs[measure] - pairs[f"{measure}_ticket"]
    places = dict.fromkeys([int(gaps.argmin()), int(gaps.argmax())])
    return " to ".join(f"{points(gaps.iloc[i])} (at {percent(pairs['density'].iloc[i])}%)" for i in places)


def _reinit(rows: pd.DataFrame, tickets: pd.DataFrame, measure: str) -> str:
    gaps = _gaps(rows, tickets, measure)
    return f"; random reinits' accuracy against that of the tickets of the same rounds: {gaps}" if gaps else "; no random reinits"


def _winning(pruned: pd.DataFrame, dense: "pd.Series[float]", measure: str) -> str:
    winning = pruned[pruned[measure] >= dense[measure] - 1e-9]  # a mean in a table is not an exact sum
    if winning.empty:
        return "no ticket is as accurate as dense"
    return (
        f"{len(winning)} of {len(pruned)} tickets are no worse than dense, the smallest at {percent(winning['density'].min())}%"
    )


def _at_the_end(table: pd.DataFrame, iterations: int) -> str:
    """Early stops that the end of training may have cut off: their true values are later."""
    late = table[table["early_stop_iteration_max"] >= LATE * iterations]
    arms = [f"{ARMS[str(arm)].label} at {densities(rows)}" for arm, rows in late.groupby("arm", sort=False)]
    return (
        f" Some lanes' validation loss was lowest in the last 5% of the {iterations:,} iterations: {'; '.join(arms)}."
        if arms
        else ""
    )
